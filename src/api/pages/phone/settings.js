// The sheet "Sound and settings": microphone, speaker, appearance, signing out.

import { $, show } from './view.js';
import * as ring from './ring.js';
import { trouble } from './trouble.js';

export class Settings {
  #phone;
  #dialog = $('settings');

  constructor(phone) {
    this.#phone = phone;
    const { devices } = phone;
    this.#dialog.addEventListener('close', () => devices.release());
    this.#dialog.addEventListener('click', (event) => event.target === this.#dialog && this.#dialog.close());
    $('settings-close').onclick = () => this.#dialog.close();
    $('microphone').onchange = ({ target }) => devices.chooseMicrophone(target.value);
    $('speaker').onchange = ({ target }) => devices.chooseSpeaker(target.value);
    $('test-sound').onclick = () => ring.test();
    $('notify').onclick = () => Notification.requestPermission().then(() => this.#draw());
    $('sign-out').onclick = () => { this.#dialog.close(); phone.signOut(); };
    devices.addEventListener('list', () => this.#draw());
    devices.addEventListener('state', () => this.#draw());
    for (const input of document.querySelectorAll('[name=theme]')) {
      input.onchange = () => theme(input.value);
    }
  }

  open() {
    if (this.#dialog.open) return;
    this.#draw();
    this.#dialog.showModal();
    this.#phone.devices.acquire();
  }

  #draw() {
    const { devices } = this.#phone;
    list($('microphone'), devices.microphones, devices.microphone, 'Microphone');
    list($('speaker'), devices.speakers, devices.speaker, 'Speaker');
    show($('speaker-field'), devices.speakerChoice && devices.speakers.length > 0);
    show($('notify'), 'Notification' in window && Notification.permission === 'default');
    const wrong = !['ok', 'closed'].includes(devices.state);
    $('microphone-hint').textContent = wrong ? `${trouble(devices.state).title}. ${trouble(devices.state).text}` : devices.trackMuted ? trouble('muted-by-system').text : 'Speak: the bar should move.';
    const chosen = localStorage.getItem('theme') ?? 'auto';
    for (const input of document.querySelectorAll('[name=theme]')) input.checked = input.value === chosen;
  }
}

/** Light, dark, or as the system has it. */
export function theme(name = localStorage.getItem('theme') ?? 'auto') {
  localStorage.setItem('theme', name);
  if (name === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
}

function list(select, devices, chosen, kind) {
  const options = devices.filter((device) => device.deviceId !== 'default' && device.deviceId !== 'communications');
  const known = options.some((device) => device.deviceId === chosen);
  select.replaceChildren(
    new Option('As the system chooses', '', true, !known),
    ...options.map((device, index) => new Option(device.label || `${kind} ${index + 1}`, device.deviceId, false, device.deviceId === chosen)),
  );
}

// Start, and what the person does: clicks, keys, links.

import { Phone } from './phone.js';
import { Settings, theme } from './settings.js';
import { Unreachable } from './signalling.js';
import { $, View } from './view.js';
import * as ring from './ring.js';
import * as session from './session.js';

theme();
const phone = new Phone();
const view = new View(phone);
const settings = new Settings(phone);
view.onRecent = (number) => { type(number, true); view.tab('keypad'); phone.dial(number); };

start();

async function start() {
  const link = session.fromLink();
  const kept = link ?? session.restore();
  if (!kept) return signInScreen();
  view.screen('phone');
  try {
    await phone.enter(kept, { link: Boolean(link) });
  } catch (error) {
    if (!(error instanceof Unreachable)) session.forget();
    signInScreen(link ? 'This link is no longer good. Sign in with your password.' : error instanceof Unreachable ? error.message : null);
    if (kept.extension) $('signin-extension').value = kept.extension;
  }
}

function signInScreen(error) {
  view.screen('signin');
  view.signInError(error);
  ($('signin-extension').value ? $('signin-password') : $('signin-extension')).focus();
}

// ---- signing in

$('signin-form').onsubmit = async (event) => {
  event.preventDefault();
  const [extension, password] = [$('signin-extension').value.trim(), $('signin-password').value];
  if (!extension || !password) return view.signInError('Enter your extension and your password.');
  $('signin-submit').disabled = true;
  view.signInError(null);
  try {
    await phone.signIn(extension, password, $('signin-remember').checked);
    $('signin-password').value = '';
    view.screen('phone');
    $('number').focus({ preventScroll: true });
  } catch (error) {
    view.signInError(error.retryAfter ? `${error.message} (${Math.ceil(error.retryAfter / 60)} min)` : error.message);
    $('signin-password').select();
  } finally {
    $('signin-submit').disabled = false;
  }
};
$('signin-reveal').onclick = () => {
  const shown = $('signin-password').type === 'text';
  $('signin-password').type = shown ? 'password' : 'text';
  $('signin-reveal').setAttribute('aria-pressed', !shown);
};
phone.addEventListener('signed-out', ({ detail }) => signInScreen(detail));
phone.signalling.addEventListener('state', () => {
  if (phone.signalling.state === 'replaced') view.screen('elsewhere');
  else if (phone.signalling.state === 'registered') view.screen('phone');
});
$('take-over').onclick = () => { phone.signalling.connect(); };
$('banner-action').onclick = () => phone.signalling.state === 'refused' ? phone.signalling.connect() : phone.signalling.retryNow();

// ---- dialling

let lastDialled = '';

function type(text, replace = false) {
  const number = $('number');
  number.value = replace ? text : number.value + text;
  number.classList.toggle('long', number.value.length > 14);
  $('erase').hidden = number.value === '';
}

function dial() {
  const number = $('number').value.trim();
  if (!number) return type(lastDialled, true);
  lastDialled = number;
  type('', true);
  ring.wake();
  phone.dial(number);
}

$('number').oninput = () => type($('number').value, true);
$('dial').onclick = dial;
$('erase').onclick = () => type($('number').value.slice(0, -1), true);
holdable($('erase'), () => type('', true));
type('', true);

for (const key of document.querySelectorAll('#pad .key')) {
  key.onclick = () => { ring.key(key.dataset.digit); type(key.dataset.digit); };
}
holdable(document.querySelector('#pad [data-digit="0"]'), () => type('+'));
for (const key of document.querySelectorAll('#tones-pad .key')) {
  key.onclick = () => tone(key.dataset.digit);
}

function tone(digit) {
  ring.key(digit);
  phone.active?.dtmf(digit);
}

/** A long press does something else, and the click after it nothing. */
function holdable(node, action) {
  let timer;
  let held = false;
  node.addEventListener('pointerdown', () => { held = false; timer = setTimeout(() => { held = true; action(); }, 550); });
  for (const end of ['pointerup', 'pointerleave', 'pointercancel']) node.addEventListener(end, () => clearTimeout(timer));
  node.addEventListener('click', (event) => { if (held) { event.stopImmediatePropagation(); held = false; } }, true);
}

// ---- calls

$('accept').onclick = () => phone.accept();
$('reject').onclick = () => phone.reject(false);
$('busy').onclick = () => phone.reject(true);
$('incoming').oncancel = (event) => { event.preventDefault(); phone.reject(false); };
$('hangup').onclick = () => phone.hangUp();
$('mute').onclick = () => phone.active?.mute();
$('hold').onclick = () => phone.hold();
$('keypad').onclick = () => view.tones($('tones').hidden);
$('audio').onclick = () => settings.open();
$('open-settings').onclick = () => settings.open();
$('quality-chip').onclick = () => view.details(!('details' in document.body.dataset));
$('quality-close').onclick = () => view.details(false);
$('again').onclick = () => { const call = phone.active; phone.dismiss(call); phone.dial(call.peer); };
$('done').onclick = () => phone.dismiss(phone.active);
$('recents-clear').onclick = () => { phone.recents.clear(); view.draw(); };
$('tab-keypad').onclick = () => view.tab('keypad');
$('tab-recent').onclick = () => view.tab('recent');
$('notice-close').onclick = () => phone.dismissNotice();
for (const id of ['notice-action', 'trouble-action']) $(id).onclick = ({ target }) => remedy(target.dataset.action);

function remedy(action) {
  if (action === 'choose-microphone') settings.open();
  else if (action === 'ask-microphone') phone.askMicrophone();
  else if (action === 'retry-microphone') phone.active?.live ? phone.devices.retry() : phone.askMicrophone();
  else if (action === 'play') { ring.wake(); phone.active?.play(); }
  else if (action === 'restart-ice') phone.active?.mend(true);
}

phone.addEventListener('ringing', ({ detail: call }) => {
  if (!document.hidden || !('Notification' in window) || Notification.permission !== 'granted') return;
  const note = new Notification(`${call.name} is calling`, { body: call.peer, icon: '/phone/icon.svg', tag: 'incoming', requireInteraction: true });
  note.onclick = () => { window.focus(); note.close(); };
  for (const event of ['ended', 'change']) call.addEventListener(event, () => call.state !== 'incoming' && note.close());
});

// ---- the keyboard

addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || !phone.me || $('settings').open) return;
  const field = event.target.closest('input, select, textarea');
  if (phone.incoming) return incomingKey(event);
  if (event.key === 'Escape') return escape(event);
  if (phone.active?.live) return field ? undefined : callKey(event);
  if (document.body.dataset.screen !== 'phone') return;
  if (event.key === 'Enter' && (field === $('number') || !event.target.closest('button, a, summary, input'))) {
    event.preventDefault();
    dial();
  } else if (!field && event.key === 'Backspace') {
    type($('number').value.slice(0, -1), true);
  } else if (!field && /^[0-9*#+A-Za-z]$/.test(event.key)) {
    event.preventDefault();
    phone.dismiss(phone.active);
    type(event.key);
    ring.key(event.key);
    flash('#pad', event.key);
  }
});

function incomingKey(event) {
  // Enter on one of the three buttons means that button.
  if (event.key !== 'Enter' || event.repeat || event.target.closest?.('#incoming button')) return;
  event.preventDefault();
  phone.accept();
}

function callKey(event) {
  if (event.repeat) return;
  if (event.key === 'm') phone.active.mute();
  else if (event.key === 'h') phone.hold();
  else if (/^[0-9*#A-D]$/.test(event.key)) {
    if (phone.active.state === 'up' && $('tones').hidden) view.tones(true);
    tone(event.key);
    flash('#tones-pad', event.key);
  }
}

function escape(event) {
  event.preventDefault();
  if ('details' in document.body.dataset) view.details(false);
  else if (phone.active?.live) phone.hangUp();
  else if (phone.active) phone.dismiss(phone.active);
  else type('', true);
}

function flash(pad, digit) {
  const key = document.querySelector(`${pad} [data-digit="${CSS.escape(digit)}"]`);
  key?.classList.add('pressed');
  setTimeout(() => key?.classList.remove('pressed'), 130);
}

// ---- what moves

addEventListener('pointerdown', () => ring.wake(), { passive: true });
addEventListener('keydown', () => ring.wake(), { passive: true });
setInterval(() => { if (!document.hidden) view.drawLevels(); }, 80);

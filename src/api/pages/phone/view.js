// The page: draws what the phone is. Nothing is decided here.

import { sentence, words } from './quality.js';

export const $ = (id) => document.getElementById(id);

const SOUNDLESS = ['no-packets', 'no-ice-path', 'path-lost', 'consent-lost', 'dtls-failed'];
const LINK = {
  off: 'Offline', connecting: 'Connecting', registered: 'Ready', waiting: 'Reconnecting',
  replaced: 'Elsewhere', refused: 'Refused', 'signed-out': 'Signed out',
};
const STATE = {
  opening: 'Starting…', dialling: 'Calling…', ringing: 'Ringing…', early: 'Connecting…',
  answering: 'Answering…', resuming: 'Picking the call up again…', held: 'On hold',
};

export class View {
  #phone;
  #shownStage = null;

  constructor(phone) {
    this.#phone = phone;
    buildPad($('pad'), true);
    buildPad($('tones-pad'), false);
    phone.addEventListener('change', () => this.#soon());
    phone.addEventListener('say', ({ detail }) => this.say(detail));
  }

  /** `loading`, `signin`, `elsewhere` or `phone`. */
  screen(name) {
    document.body.dataset.screen = name;
    show($('signin'), name === 'signin');
    show($('elsewhere'), name === 'elsewhere');
    for (const id of ['phone', 'bar', 'tabs']) show($(id), name === 'phone');
    if (name !== 'phone') show($('banner'), false);
  }

  tab(name) {
    document.body.dataset.tab = name;
    $('tab-keypad').setAttribute('aria-pressed', name === 'keypad');
    $('tab-recent').setAttribute('aria-pressed', name === 'recent');
    if (name === 'recent') this.#phone.recents?.see();
    this.draw();
  }

  say(text) {
    $('toast').textContent = text;
    show($('toast'), true);
    clearTimeout(this.toastTimer);
    this.toastTimer = setTimeout(() => show($('toast'), false), 3500);
  }

  signInError(text) {
    put('signin-error', text ?? '');
    show($('signin-error'), Boolean(text));
  }

  draw() {
    const { me, active, incoming } = this.#phone;
    if (!me) return;
    this.#drawBar();
    this.#drawBanner();
    this.#drawNotice();
    toggle(document.body, 'call', Boolean(active));
    if (active) this.#drawStage(active);
    this.#face(active ? 'stage' : 'dialler');
    this.#drawHeld();
    this.#drawIncoming(incoming);
    this.#drawQuality(active);
    this.#drawRecents();
    document.title = incoming ? `☎ ${incoming.name} is calling` : active?.talking ? `${active.name} – Branchline` : 'Branchline phone';
  }

  /** Many times a second while somebody looks: levels and the timer. */
  drawLevels() {
    const { active, devices } = this.#phone;
    const input = devices.level();
    if ($('settings').open) level($('meter-test'), input);
    if (!active?.live) return;
    const output = active.level();
    level($('meter-in'), active.muted ? 0 : input);
    level($('meter-out'), output);
    $('stage-avatar').style.setProperty('--level', output.toFixed(3));
    put('stage-timer', active.talking && active.answered ? duration(Date.now() - active.answered) : '');
  }

  /** The call or the dial pad. Focus that would be lost goes along. */
  #face(shown) {
    if (!$(shown).hidden && $(shown === 'stage' ? 'dialler' : 'stage').hidden) return;
    const lost = document.activeElement?.closest('#stage, #dialler');
    for (const id of ['stage', 'dialler']) show($(id), id === shown);
    if (lost) $(shown).focus({ preventScroll: true });
  }

  #soon() {
    if (this.scheduled) return;
    this.scheduled = true;
    queueMicrotask(() => { this.scheduled = false; this.draw(); });
  }

  #drawBar() {
    const { me, signalling } = this.#phone;
    put('who-name', me.name || 'Extension');
    put('who-extension', me.extension);
    $('link').dataset.state = signalling.state;
    put('link-text', LINK[signalling.state]);
  }

  #drawBanner() {
    const { state, retryAt } = this.#phone.signalling;
    const seconds = Math.max(0, Math.ceil((retryAt - Date.now()) / 1000));
    const texts = {
      waiting: seconds > 1 ? `The gateway cannot be reached. Reconnecting in ${seconds} s…` : 'The gateway cannot be reached. Reconnecting…',
      refused: 'Too many phone pages of this extension are open. Close one.',
    };
    show($('banner'), Boolean(texts[state]));
    put('banner-text', texts[state] ?? '');
    const again = state === 'refused' || (state === 'waiting' && seconds > 3);
    put('banner-action', 'Try now');
    show($('banner-action'), again);
    clearTimeout(this.bannerTimer);
    if (state === 'waiting') this.bannerTimer = setTimeout(() => this.#drawBanner(), 1000);
  }

  #drawNotice() {
    const { notice, active } = this.#phone;
    show($('notice'), Boolean(notice) && !active);
    if (!notice) return;
    put('notice-title', notice.title);
    put('notice-text', notice.text);
    put('notice-action', notice.actionText ?? '');
    show($('notice-action'), Boolean(notice.action));
    $('notice-action').dataset.action = notice.action ?? '';
    show($('notice-second'), false);
  }

  #drawStage(call) {
    const stage = $('stage');
    if (this.#shownStage !== call) {
      this.#shownStage = call;
      this.tones(false);
      this.details(false);
      put('stage-timer', '');
    }
    stage.dataset.state = call.state;
    face('stage', call);
    put('stage-name', call.name);
    put('stage-number', call.peerName ? call.peer : '');
    put('stage-state', stateText(call));
    const waiting = ['opening', 'dialling', 'ringing', 'resuming'].includes(call.state);
    $('stage-avatar').classList.toggle('calling', waiting);
    $('stage-avatar').classList.toggle('live', call.state === 'up' || call.state === 'early');
    show($('stage-timer'), call.talking);
    show($('meters'), (call.state === 'up' && !call.heldByPeer) || call.state === 'early');
    show($('controls'), call.live);
    show($('hangup'), call.live);
    show($('after'), !call.live);
    if (!call.live) this.tones(false);
    control('mute', call.muted, call.muted ? 'Unmute' : 'Mute', call.muted ? '#i-mic-off' : '#i-mic');
    control('hold', call.state === 'held', call.state === 'held' ? 'Resume' : 'Hold', call.state === 'held' ? '#i-resume' : '#i-hold');
    $('hold').disabled = !call.talking;
    $('keypad').disabled = !['early', 'up', 'ringing'].includes(call.state);
    put('tones-sent', call.digits);
    this.#drawTrouble(call);
  }

  #drawTrouble(call) {
    const trouble = call.trouble();
    show($('trouble'), Boolean(trouble));
    if (!trouble) return;
    $('trouble').dataset.reason = trouble.reason;
    put('trouble-title', trouble.title);
    put('trouble-text', trouble.text);
    put('trouble-action', trouble.actionText ?? '');
    show($('trouble-action'), Boolean(trouble.action));
    $('trouble-action').dataset.action = trouble.action ?? '';
  }

  #drawHeld() {
    const rows = this.#phone.held.map((call) => {
      const row = element('div', 'card held-call');
      const text = element('div');
      text.append(element('strong', '', call.name), element('span', '', call.state === 'held' ? 'On hold' : stateText(call)));
      const back = element('button', 'secondary', 'Take back');
      back.type = 'button';
      back.onclick = () => this.#phone.swap(call);
      const end = element('button', 'text-button quiet', 'End');
      end.type = 'button';
      end.setAttribute('aria-label', `End the call with ${call.name}`);
      end.onclick = () => call.end();
      row.append(text, end, back);
      return row;
    });
    const key = this.#phone.held.map((call) => `${call.id} ${call.state} ${call.name}`).join();
    if (key !== $('waiting').dataset.key) {
      $('waiting').dataset.key = key;
      $('waiting').replaceChildren(...rows);
    }
    show($('waiting'), rows.length > 0);
  }

  #drawIncoming(call) {
    const dialog = $('incoming');
    if (!call) {
      if (dialog.open) dialog.close();
      return;
    }
    face('incoming', call);
    put('incoming-name', call.name);
    put('incoming-number', call.peerName ? call.peer : '');
    const second = this.#phone.active?.talking;
    put('incoming-what', second ? 'Another call is waiting' : 'Incoming call');
    put('accept-text', second ? 'Hold and answer' : 'Answer');
    $('accept').setAttribute('aria-label', second ? 'Hold the other call and answer' : 'Answer');
    if (!dialog.open) {
      if ($('settings').open) $('settings').close();
      dialog.showModal();
      $('accept').focus();
    }
  }

  #drawQuality(call) {
    const measured = call && (call.talking || call.state === 'early');
    const view = measured ? call.quality.view() : null;
    const soundless = view && SOUNDLESS.includes(call.trouble()?.reason);
    const mos = soundless ? null : view?.mos;
    const { word, bars } = soundless ? { word: 'No sound', bars: 0 } : words(mos);
    show($('quality-chip'), Boolean(measured));
    show($('quality'), Boolean(measured));
    if (!view) return;
    $('quality-bars').dataset.bars = bars;
    const figure = mos == null ? '' : ` ${mos.toFixed(1)}`;
    put('quality-word', word + figure);
    $('quality-chip').setAttribute('aria-label', `Quality: ${word}${figure && `${figure} of 4.5`}. Details`);
    put('quality-line', soundless ? call.trouble().text : sentence(view));
    for (const [side, way] of [['in', view.from], ['out', view.to]]) {
      put(`q-mos-${side}`, number(way.mos, 1));
      put(`q-loss-${side}`, number(way.lossPercent, 1, ' %'));
      put(`q-jitter-${side}`, number(way.jitterMs, 0, ' ms'));
      put(`q-packets-${side}`, number(way.packets, 0));
    }
    put('q-rtt', number(view.roundTripMs, 0, ' ms'));
    put('q-codec', view.codec ?? '–');
    put('q-path', view.path ?? '–');
  }

  #drawRecents() {
    const { recents } = this.#phone;
    const key = recents.items.map((item) => item.at).join();
    show($('recents-empty'), recents.items.length === 0);
    show($('recents-clear'), recents.items.length > 0);
    const unseen = document.body.dataset.tab === 'recent' ? 0 : recents.unseen;
    put('missed-count', unseen || '');
    show($('missed-count'), unseen > 0);
    if ($('recents-list').dataset.key === key) return;
    $('recents-list').dataset.key = key;
    $('recents-list').replaceChildren(...recents.items.map((item) => recent(item, this.onRecent)));
  }

  /** The tone keys of a call. */
  tones(open) {
    show($('tones'), open);
    $('keypad').setAttribute('aria-pressed', open);
  }

  /** The quality sheet on a narrow screen. */
  details(open) {
    toggle(document.body, 'details', open);
    $('quality-chip').setAttribute('aria-expanded', open);
  }
}

/** A moment in mm:ss, or h:mm:ss. */
export function duration(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const two = (value) => String(value).padStart(2, '0');
  const hours = Math.floor(seconds / 3600);
  const rest = `${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
  return hours ? `${hours}:${rest}` : rest;
}

export function show(node, visible) { node.hidden = !visible; }

function stateText(call) {
  if (call.state === 'ended') return call.why.text;
  if (call.mending) return 'Looking for a new path…';
  if (call.state === 'up') return call.heldByPeer ? 'On hold by the other side' : call.muted ? 'You are muted' : 'Connected';
  return STATE[call.state] ?? '';
}

function recent(item, onRecent) {
  const row = element('li');
  const button = element('button', item.missed ? 'recent missed' : 'recent');
  button.type = 'button';
  button.onclick = () => onRecent(item.number);
  const what = item.missed ? 'Missed' : item.direction === 'incoming' ? 'Incoming' : 'Outgoing';
  const how = item.seconds == null ? (item.missed || item.direction === 'incoming' ? '' : item.text) : duration(item.seconds * 1000);
  const text = element('div');
  text.append(element('strong', '', item.name || item.number), element('span', '', [item.name && item.number, what, how].filter(Boolean).join(' · ')));
  const at = new Date(item.at);
  const time = element('time', '', when(at));
  time.dateTime = at.toISOString();
  button.append(icon(item.missed ? '#i-missed' : item.direction === 'incoming' ? '#i-in' : '#i-out'), text, time);
  row.append(button);
  return row;
}

function when(at) {
  const today = new Date().toDateString() === at.toDateString();
  return at.toLocaleString([], today ? { hour: '2-digit', minute: '2-digit' } : { day: 'numeric', month: 'short' });
}

function face(prefix, call) {
  const initials = (call.peerName ?? '').split(/\s+/).filter((word) => /^\p{L}/u.test(word)).map((word) => word[0]).slice(0, 2).join('').toUpperCase();
  put(`${prefix}-initials`, initials);
  show($(`${prefix}-initials`), Boolean(initials));
  $(`${prefix}-person`).toggleAttribute('hidden', Boolean(initials));
}

function control(id, pressed, text, symbol) {
  const button = $(id);
  button.setAttribute('aria-pressed', pressed);
  if (button.lastElementChild.textContent !== text) button.lastElementChild.textContent = text;
  button.querySelector('use').setAttribute('href', symbol);
}

function buildPad(pad, letters) {
  const keys = [['1', ''], ['2', 'ABC'], ['3', 'DEF'], ['4', 'GHI'], ['5', 'JKL'], ['6', 'MNO'], ['7', 'PQRS'], ['8', 'TUV'], ['9', 'WXYZ'], ['*', ''], ['0', '+'], ['#', '']];
  const names = { '*': 'star', '#': 'hash', 0: letters ? '0, hold for plus' : '0' };
  pad.append(...keys.map(([digit, small]) => {
    const key = element('button', 'key', digit === '*' ? '∗' : digit);
    key.type = 'button';
    key.dataset.digit = digit;
    key.setAttribute('aria-label', names[digit] ?? digit);
    const hint = element('small', '', small);
    hint.setAttribute('aria-hidden', 'true');
    if (letters) key.append(hint);
    return key;
  }));
}

function level(track, value) {
  track.firstElementChild.style.setProperty('--level', value.toFixed(3));
  const now = Math.round(value * 10) * 10;
  if (track.getAttribute('aria-valuenow') !== String(now)) track.setAttribute('aria-valuenow', now);
}

function number(value, digits, unit = '') { return value == null || !Number.isFinite(value) ? '–' : value.toFixed(digits) + unit; }

function put(id, text) {
  const node = $(id);
  if (node.textContent !== String(text)) node.textContent = text;
}

function toggle(node, name, on) {
  if (on) node.dataset[name] = '';
  else delete node.dataset[name];
}

function element(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text != null) node.textContent = text;
  return node;
}

function icon(symbol) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('aria-hidden', 'true');
  const use = document.createElementNS('http://www.w3.org/2000/svg', 'use');
  use.setAttribute('href', symbol);
  svg.append(use);
  return svg;
}

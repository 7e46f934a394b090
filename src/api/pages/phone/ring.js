// Everything that is heard and was not sent by the other side: ringing, ringback, busy, keys. All of it is made
// here from sine waves; nothing is loaded.

// Sounds that repeat are planned this many rounds ahead on the audio clock: timers of hidden tabs come too late.
const ROUNDS = 12;
const RING = { every: 3.2, notes: [[587.33, 0], [783.99, 0.16], [987.77, 0.32], [783.99, 0.62], [987.77, 0.78], [1174.66, 0.94]] };
const KEYS = { 1: [697, 1209], 2: [697, 1336], 3: [697, 1477], 4: [770, 1209], 5: [770, 1336], 6: [770, 1477], 7: [852, 1209], 8: [852, 1336], 9: [852, 1477], '*': [941, 1209], 0: [941, 1336], '#': [941, 1477] };

let context;
let sinkId = '';
let playing = null;

/** Browsers allow sound only after the person touched the page; call this then. */
export function wake() {
  context ??= new AudioContext();
  if (context.state === 'suspended') context.resume().catch(() => {});
  return context;
}

/** Whether the browser would let us be heard now. */
export function allowed() { return context?.state === 'running'; }

/** The speaker for ringing, where the browser can choose it. */
export function sink(id) {
  sinkId = id;
  context?.setSinkId?.(id).catch(() => {});
}

/** An incoming call, until stop(). */
export function ringing() { repeat('ringing', RING.every, chime); vibrate([400, 200, 400, 2200]); }

/** A second call while one is up: quiet, and not too often. */
export function waitingCall() {
  repeat('waiting', 5, (at) => { tone([440], at, 0.18, 0.06); tone([440], at + 0.35, 0.18, 0.06); });
}

/** It rings over there. */
export function ringback() { repeat('ringback', 4, (at) => tone([425], at, 1, 0.07)); }

/** Busy, or it went wrong: three beeps and silence. */
export function busy() {
  stop();
  for (const at of [0, 0.5, 1]) tone([425], at, 0.25, 0.07);
}

/** The call is over. */
export function over() { stop(); tone([480], 0, 0.09, 0.05); tone([360], 0.11, 0.12, 0.05); }

/** The sound of a key. */
export function key(digit) {
  if (KEYS[digit]) tone(KEYS[digit], 0, 0.11, 0.05);
}

/** For the person to hear whether the speaker works. */
export function test() { wake(); chime(); }

export function stop(kind) {
  if (kind && playing?.kind !== kind) return;
  if (playing) {
    clearInterval(playing.timer);
    const { out } = playing;
    out.gain.setTargetAtTime(0, context.currentTime, 0.02);
    setTimeout(() => out.disconnect(), 300);
    navigator.vibrate?.(0);
  }
  playing = null;
}

function repeat(kind, every, play) {
  if (playing?.kind === kind) return;
  stop();
  wake();
  const out = context.createGain();
  out.connect(context.destination);
  if (sinkId) sink(sinkId);
  const rounds = () => { for (let round = 0; round < ROUNDS; round += 1) play(round * every); };
  playing = { kind, out, timer: setInterval(rounds, ROUNDS * every * 1000) };
  rounds();
}

function chime(from = 0) {
  for (const [frequency, at] of RING.notes) bell(frequency, from + at);
}

/** A struck bar: two partials that fade. */
function bell(frequency, at) {
  const start = context.currentTime + at;
  for (const [partial, loud, length] of [[1, 0.16, 1.1], [3.93, 0.03, 0.35]]) {
    const gain = context.createGain();
    gain.gain.setValueAtTime(0, start);
    gain.gain.linearRampToValueAtTime(loud, start + 0.008);
    gain.gain.exponentialRampToValueAtTime(0.0001, start + length);
    oscillate(frequency * partial, start, length, gain);
  }
}

function tone(frequencies, at, length, loud) {
  wake();
  const start = context.currentTime + at;
  for (const frequency of frequencies) {
    const gain = context.createGain();
    gain.gain.setValueAtTime(0, start);
    gain.gain.linearRampToValueAtTime(loud, start + 0.01);
    gain.gain.setValueAtTime(loud, start + length - 0.015);
    gain.gain.linearRampToValueAtTime(0, start + length);
    oscillate(frequency, start, length, gain);
  }
}

function oscillate(frequency, start, length, gain) {
  const oscillator = context.createOscillator();
  oscillator.frequency.value = frequency;
  oscillator.connect(gain).connect(playing?.out ?? context.destination);
  oscillator.start(start);
  oscillator.stop(start + length + 0.05);
}

function vibrate(pattern) {
  if (navigator.userActivation?.hasBeenActive) navigator.vibrate?.(pattern);
}

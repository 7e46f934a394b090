// Microphones and speakers: which there are, which one is chosen, and what is wrong with it.
//
// The microphone is open only while somebody uses it (a call, or the meter in the settings): acquire() and release()
// count. All users share one track. Events: `list` (devices came or went), `track` (another track took its place),
// `state` (something is wrong, or right again).

import { microphoneReason } from './trouble.js';
import * as ring from './ring.js';

const QUIET = 0.004;

export class Devices extends EventTarget {
  microphones = [];
  speakers = [];
  /** `ok`, `closed`, or a reason of trouble.js. */
  state = 'closed';
  trackMuted = false;

  #users = 0;
  #stream = null;
  #analyser = null;
  #samples = new Float32Array(1024);
  #silentSince = null;
  #opening = null;
  #store;

  constructor(store) {
    super();
    this.#store = store;
    navigator.mediaDevices?.addEventListener('devicechange', () => this.#changed());
  }

  get microphone() { return this.#store.getItem('microphone') ?? ''; }
  get speaker() { return this.#store.getItem('speaker') ?? ''; }
  get speakerChoice() { return 'setSinkId' in HTMLMediaElement.prototype; }
  get track() { return this.#stream?.getAudioTracks()[0] ?? null; }
  get stream() { return this.#stream; }

  /** Why there can be no microphone at all, before anything is tried; null when there may be one. */
  static obstacle() {
    if (!window.isSecureContext) return 'insecure-context';
    if (!navigator.mediaDevices?.getUserMedia || !window.RTCPeerConnection) return 'no-media-devices';
    return null;
  }

  /** `granted`, `denied`, `prompt` or `unknown`. */
  static async permission() {
    try {
      return (await navigator.permissions.query({ name: 'microphone' })).state;
    } catch {
      return 'unknown';
    }
  }

  /** Opens the microphone for one more user. Returns its track; null when there is none: see `state`. */
  async acquire() {
    this.#users += 1;
    if (!this.track || this.track.readyState === 'ended') await this.#open();
    return this.track;
  }

  release() {
    this.#users = Math.max(0, this.#users - 1);
    if (this.#users === 0) this.#close('closed');
  }

  /** Tries again after a refusal. */
  async retry() {
    await this.#open();
    return this.state === 'ok';
  }

  async chooseMicrophone(id) {
    this.#store.setItem('microphone', id);
    if (this.#users > 0) await this.#open();
  }

  chooseSpeaker(id) {
    this.#store.setItem('speaker', id);
    ring.sink(id);
    this.dispatchEvent(new Event('speaker'));
  }

  /** The level of the microphone, 0 to 1. */
  level() {
    if (!this.#analyser || this.state !== 'ok') return 0;
    const peak = peakOf(this.#analyser, this.#samples);
    if (peak > QUIET) this.#silentSince = null;
    else this.#silentSince ??= performance.now();
    return scale(peak);
  }

  /** Seconds for which the microphone gave nothing at all. */
  silentFor() { return this.#silentSince == null ? 0 : (performance.now() - this.#silentSince) / 1000; }

  async refresh() {
    const all = await navigator.mediaDevices?.enumerateDevices().catch(() => []) ?? [];
    const of = (kind) => all.filter((device) => device.kind === kind && device.deviceId);
    this.microphones = of('audioinput');
    this.speakers = of('audiooutput');
    this.dispatchEvent(new Event('list'));
  }

  /** One opening at a time; who comes meanwhile waits for it. */
  #open() {
    this.#opening ??= this.#openNow().finally(() => { this.#opening = null; });
    return this.#opening;
  }

  async #openNow() {
    const obstacle = Devices.obstacle();
    if (obstacle) return this.#turn(obstacle);
    const wish = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
    const chosen = this.microphone;
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio: chosen ? { ...wish, deviceId: { exact: chosen } } : wish })
        .catch((error) => {
          if (!chosen || error.name === 'NotAllowedError') throw error;
          return navigator.mediaDevices.getUserMedia({ audio: wish });
        });
    } catch (error) {
      this.#close(microphoneReason(error));
      this.refresh();
      return;
    }
    if (this.#users === 0) {
      stream.getTracks().forEach((track) => track.stop());
      return;
    }
    this.#use(stream);
    this.refresh();
  }

  #use(stream) {
    this.#stream?.getTracks().forEach((track) => { track.onended = null; track.stop(); });
    this.#stream = stream;
    const track = this.track;
    track.onended = () => this.#unplugged();
    track.onmute = () => { this.trackMuted = true; this.dispatchEvent(new Event('state')); };
    track.onunmute = () => { this.trackMuted = false; this.dispatchEvent(new Event('state')); };
    this.trackMuted = track.muted;
    this.#silentSince = null;
    this.#analyser = analyse(stream);
    this.#turn('ok');
    this.dispatchEvent(new Event('track'));
  }

  /** Another microphone takes over if there is one. */
  async #unplugged() {
    this.#close('microphone-gone');
    await this.#open();
    if (this.state === 'no-microphone') this.#turn('microphone-gone');
  }

  async #changed() {
    await this.refresh();
    const here = this.microphones.some((device) => device.deviceId === this.microphone);
    const wrong = ['no-microphone', 'microphone-gone', 'microphone-busy'].includes(this.state);
    const chosenIsBack = here && this.track && this.track.getSettings().deviceId !== this.microphone;
    if (this.#users > 0 && this.microphones.length > 0 && (wrong || chosenIsBack)) this.#open();
  }

  #close(state) {
    this.#stream?.getTracks().forEach((track) => { track.onended = null; track.stop(); });
    this.#stream = null;
    this.#analyser?.disconnect();
    this.#analyser = null;
    this.trackMuted = false;
    this.#turn(state);
  }

  #turn(state) {
    if (this.state === state) return;
    this.state = state;
    this.dispatchEvent(new Event('state'));
  }
}

/** Silence to send while there is no microphone, so that the call's media goes on. */
export function silence() {
  return ring.wake().createMediaStreamDestination().stream.getAudioTracks()[0];
}

/** A meter on a stream. */
export function analyse(stream) {
  const context = ring.wake();
  const analyser = context.createAnalyser();
  analyser.fftSize = 1024;
  context.createMediaStreamSource(stream).connect(analyser);
  return analyser;
}

export function peakOf(analyser, samples) {
  analyser.getFloatTimeDomainData(samples);
  let peak = 0;
  for (const sample of samples) peak = Math.max(peak, Math.abs(sample));
  return peak;
}

/** A peak as the eye expects it: decibels from -54 to -3 on 0 to 1. */
export function scale(peak) {
  if (peak <= 0.002) return 0;
  return Math.min(1, Math.max(0, (20 * Math.log10(peak) + 54) / 51));
}

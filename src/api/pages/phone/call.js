// One call, from this page's side.
//
// | state       | meaning                                     | goes to                                        |
// | ----------- | ------------------------------------------- | ---------------------------------------------- |
// | `opening`   | our offer is being made and sent            | dialling, ringing, early, up, ended            |
// | `dialling`  | the gateway has it                          | ringing, early, up, ended                      |
// | `ringing`   | it rings over there                         | early, up, ended                               |
// | `early`     | sound from there before the answer          | ringing, up, ended                             |
// | `incoming`  | it rings here                               | answering, ended                               |
// | `answering` | our answer is being made and sent           | up, ended                                      |
// | `resuming`  | the page was loaded again in mid-call       | dialling, ringing, early, up, held, ended      |
// | `up`        | the two talk                                | held, resuming, ended                          |
// | `held`      | this side put it on hold                    | up, resuming, ended                            |
// | `ended`     | over; `why` says how                        |                                                |
//
// Beside the state stand: `muted`, `heldByPeer`, `mending` (a new path is being looked for).
// Events: `change`, `ended`.

import { Media, candidateOf, signalOf } from './media.js';
import { Quality } from './quality.js';
import { randomId } from './session.js';
import { diagnose, trouble } from './trouble.js';

const NEXT = {
  opening: ['dialling', 'ringing', 'early', 'up', 'ended'],
  dialling: ['ringing', 'early', 'up', 'ended'],
  ringing: ['early', 'up', 'ended'],
  early: ['ringing', 'up', 'ended'],
  incoming: ['answering', 'ended'],
  answering: ['up', 'ended'],
  resuming: ['dialling', 'ringing', 'early', 'up', 'held', 'ended'],
  up: ['held', 'resuming', 'ended'],
  held: ['up', 'resuming', 'ended'],
  ended: [],
};
const DISCONNECTED_PATIENCE = 1500;
const RESUME_WITHIN = 15_000;
const MEND_WAITS = [0, 2000, 5000, 10_000];

export class Call extends EventTarget {
  id = null;
  state;
  direction;
  peer;
  peerName = null;
  started = Date.now();
  answered = null;
  muted = false;
  heldByPeer = false;
  mending = false;
  why = null;
  digits = '';
  quality = new Quality();

  #services;
  #media = null;
  #offer = null;
  #outbox = [];
  #sending = Promise.resolve();
  #reported = null;
  #mends = 0;
  #resumesTo = 'up';
  #timers = {};
  #packets = { count: 0, since: null };

  /** `services`: { signalling, devices, config() }. */
  constructor(services, direction, state, peer) {
    super();
    this.#services = services;
    this.direction = direction;
    this.state = state;
    this.peer = peer;
  }

  get name() { return this.peerName || this.peer; }
  get live() { return this.state !== 'ended'; }
  get talking() { return this.state === 'up' || this.state === 'held'; }

  // ---- what the person does

  /** Dials. Resolves when the gateway has the call; rejects with its refusal. */
  async dial() {
    const media = await this.#open();
    const sdp = await media.offer(this.#services.devices.track);
    if (!this.live) return;
    const view = await this.#services.signalling.dial(this.peer, sdp, randomId());
    this.#named(view.id);
    if (this.live) this.apply(view);
    else this.#services.signalling.end(view.id).catch(() => {});
  }

  async accept() {
    if (!this.#to('answering')) return;
    try {
      const media = await this.#open();
      const sdp = await media.answer(this.#offer, this.#services.devices.track);
      if (!this.live) return;
      const view = await this.#services.signalling.accept(this.id, sdp);
      this.#named(this.id);
      if (view) this.apply(view);
    } catch (error) {
      this.finish('failed', error.message);
    }
  }

  /** Hangs up, cancels or rejects. The page does not wait for the gateway. */
  end(busy = false) {
    if (!this.live) return;
    if (this.id != null) this.#services.signalling.end(this.id, busy).catch(() => {});
    const rejected = this.state === 'incoming';
    this.finish(rejected ? 'rejected' : 'hangup', rejected ? 'Declined' : 'Call ended');
  }

  mute(muted = !this.muted) {
    if (!this.live || this.muted === muted) return;
    this.muted = muted;
    this.#hear();
    this.#post({ type: muted ? 'mute' : 'unmute' });
    this.#changed();
  }

  async hold(held = this.state !== 'held') {
    if (!this.#to(held ? 'held' : 'up')) return;
    this.#hear();
    try {
      await this.#services.signalling.signal(this.id, { type: held ? 'hold' : 'resume' });
    } catch (error) {
      if (this.#to(held ? 'up' : 'held')) this.#hear();
      throw error;
    }
  }

  dtmf(digit) {
    if (!this.live || this.state === 'incoming') return;
    this.digits = (this.digits + digit).slice(-24);
    this.#post({ type: 'dtmf', digits: digit });
    this.#changed();
  }

  // ---- what the gateway says

  /** It rings here. */
  ring(view, offer) {
    this.#offer = offer;
    this.#named(view.id);
    this.#describe(view);
    this.#changed();
  }

  /** The gateway's view of the call. */
  apply(view) {
    this.#describe(view);
    if (view.state === 'ended') {
      this.finish(view.ended ?? 'hangup', view.ended_text);
    } else if (this.state === 'resuming') {
      this.#resumesTo = view.state;
    } else if (view.state === 'held' || view.state === 'up') {
      // Our own hold leads: a view that was made before it may arrive after it.
      if (!this.talking) this.#to('up');
    } else if (view.state !== this.state) {
      this.#to(view.state);
    }
    this.#changed();
  }

  async signal(signal) {
    if (!this.live) return;
    if (signal.type === 'answer') await this.#answered(signal.sdp);
    else if (signal.type === 'offer') await this.#offered(signal.sdp);
    else if (signal.type === 'ice_candidate') await this.#media?.addCandidate(candidateOf(signal));
    else if (signal.type === 'hangup') this.finish('hangup');
    else if (signal.type === 'hold') this.heldByPeer = true;
    else if (signal.type === 'resume') this.heldByPeer = false;
    this.#changed();
  }

  /** The gateway's diagnosis; it stands until packets flow again. */
  report(reason, text) {
    this.#reported = { reason, text };
    if (reason === 'no-ice-path' || reason === 'consent-lost' || reason === 'dtls-failed') this.mend();
    this.#changed();
  }

  finish(reason, text) {
    if (!this.#to('ended')) return;
    this.why = { reason, text: text ?? 'Call ended' };
    for (const timer of Object.values(this.#timers)) clearTimeout(timer);
    if (this.#media) this.#services.devices.release();
    this.#media?.close();
    this.#media = null;
    if (this.id != null) this.#services.signalling.forget(this.id);
    this.dispatchEvent(new Event('ended'));
  }

  // ---- media

  /** Takes up a call that is still there after the page was loaded again: new media, a new offer. */
  async resume(view) {
    this.#describe(view);
    this.#named(view.id);
    this.#resumesTo = view.state;
    const media = await this.#open();
    const sdp = await media.offer(this.#services.devices.track);
    if (!this.live) return;
    this.#hear();
    this.#timers.resumed = setTimeout(() => this.state === 'resuming' && this.end(), RESUME_WITHIN);
    await this.#services.signalling.signal(view.id, { type: 'offer', sdp });
  }

  /** Looks for a new path: an ICE restart, and after two of them a new connection. */
  mend(now = false) {
    if (!this.#media || !this.live || (this.mending && !now)) return;
    const wait = now ? 0 : MEND_WAITS[Math.min(this.#mends, MEND_WAITS.length - 1)];
    this.mending = true;
    clearTimeout(this.#timers.mend);
    this.#timers.mend = setTimeout(() => this.#mendNow(), wait);
    this.#changed();
  }

  async #mendNow() {
    this.#mends += 1;
    this.#timers.mend = setTimeout(() => { this.mending = false; this.#watch(); }, 8000);
    try {
      const sdp = this.#mends > 2 && this.talking ? await this.#renew() : await this.#media.restart();
      if (sdp && this.id != null) await this.#services.signalling.signal(this.id, { type: 'offer', sdp });
    } catch {
      // The signalling is away: the next try comes by #watch, or when the stream is back.
    }
  }

  async #renew() {
    this.#media.close();
    this.#media = this.#connect();
    const sdp = await this.#media.offer(this.#services.devices.track);
    this.#hear();
    return sdp;
  }

  /** The microphone's track changed or went. */
  async retrack() {
    await this.#media?.setTrack(this.#services.devices.track);
    this.#changed();
  }

  setSpeaker(id) { this.#media?.setSpeaker(id); }
  play() { return this.#media?.play(); }
  level() { return this.#media?.level() ?? 0; }

  /** Once a second: statistics, and a look at what is wrong. */
  async tick() {
    if (!this.#media || !this.live) return;
    const sample = await this.#media.sample().catch(() => ({}));
    this.quality.own(sample);
    if (this.mending) this.#watch();
    const packets = sample.received?.packets ?? 0;
    const media = this.#media?.facts();
    if (packets !== this.#packets.count) {
      this.#packets = { count: packets, since: null };
      this.#reported = null;
    } else if (media?.dtls === 'connected') {
      this.#packets.since ??= performance.now();
    }
    this.#changed();
  }

  /** What is wrong with the sound, for the page; null when nothing is. */
  trouble() {
    const facts = this.#media && this.facts();
    const reason = facts && diagnose(facts);
    if (reason) return trouble(reason);
    return this.#reported && this.state === 'up' ? trouble(this.#reported.reason, this.#reported.text) : null;
  }

  facts() {
    const { devices } = this.#services;
    const since = this.#packets.since;
    return {
      ...this.#media.facts(),
      ended: !this.live, up: this.state === 'up', held: this.state === 'held', heldByPeer: this.heldByPeer, muted: this.muted,
      microphone: devices.state, trackMuted: devices.trackMuted, inputSilentFor: devices.silentFor(),
      silentFor: since == null ? 0 : (performance.now() - since) / 1000,
    };
  }

  // ---- private

  async #open() {
    await this.#services.devices.acquire();
    if (!this.live) {
      this.#services.devices.release();
      throw new Error('The call ended meanwhile.');
    }
    this.#media = this.#connect();
    return this.#media;
  }

  #connect() {
    const media = new Media(this.#services.config(), this.#services.devices.speaker);
    media.addEventListener('candidate', ({ detail }) => media === this.#media && this.#post(signalOf(detail)));
    media.addEventListener('change', () => media === this.#media && this.#watch());
    return media;
  }

  #watch() {
    const facts = this.#media?.facts();
    if (!facts) return;
    clearTimeout(this.#timers.disconnected);
    if (facts.ice === 'connected' && facts.dtls === 'connected') {
      if (this.mending) clearTimeout(this.#timers.mend);
      this.mending = false;
      this.#mends = 0;
    } else if (facts.ice === 'failed' || facts.dtls === 'failed') {
      this.mend();
    } else if (facts.ice === 'disconnected') {
      this.#timers.disconnected = setTimeout(() => this.mend(), DISCONNECTED_PATIENCE);
    }
    this.#changed();
  }

  async #answered(sdp) {
    if (!await this.#media?.take(sdp).catch(() => this.report('bad-description'))) return;
    this.#watch();
    if (this.state === 'resuming') {
      clearTimeout(this.#timers.resumed);
      this.#to(NEXT.resuming.includes(this.#resumesTo) ? this.#resumesTo : 'up');
      this.#hear();
    }
  }

  /** The gateway wants other media: a codec, an address, a hold. */
  async #offered(sdp) {
    if (!this.#media) {
      this.#offer = sdp;
      return;
    }
    if (this.#media.isForeign(sdp)) {
      this.#media.close();
      this.#media = this.#connect();
      this.#hear();
    }
    try {
      const answer = await this.#media.answer(sdp, this.#services.devices.track);
      await this.#services.signalling.signal(this.id, { type: 'answer', sdp: answer });
    } catch {
      this.report('bad-description');
    }
  }

  /** Who is heard: on hold nobody, muted only they. */
  #hear() {
    this.#media?.setSending(this.state !== 'held' && !this.muted);
    this.#media?.setAudible(this.state !== 'held');
  }

  /** Messages of a call go out one after the other, and not before the call has its name. */
  #post(signal) {
    if (!signal) return;
    this.#outbox.push(signal);
    if (this.id != null && this.state !== 'answering') this.#flush();
  }

  #flush() {
    for (const signal of this.#outbox.splice(0)) {
      const send = () => this.live ? this.#services.signalling.signal(this.id, signal) : null;
      this.#sending = this.#sending.then(send).catch(() => {});
    }
  }

  #named(id) {
    this.id = id;
    if (this.state !== 'incoming') this.#flush();
  }

  #describe(view) {
    if (view.peer) this.peer = view.peer;
    this.peerName = view.peer_name ?? this.peerName;
    this.started = view.started || this.started;
    this.answered = view.answered ?? this.answered;
    this.heldByPeer = view.held_by_peer ?? this.heldByPeer;
  }

  #to(state) {
    if (!NEXT[this.state].includes(state)) return false;
    this.state = state;
    if (state === 'up') {
      this.answered ??= Date.now();
      this.#packets.since = null;
    }
    this.#changed();
    return true;
  }

  #changed() { this.dispatchEvent(new Event('change')); }
}

// The phone: signed-in person, stream, calls. One call is active; others wait on hold, and one more may ring.
//
// Events: `change` (draw again), `say` (detail: a sentence to show briefly), `signed-out` (detail: why, or null).

import { Call } from './call.js';
import { Devices } from './devices.js';
import { Recents } from './recents.js';
import { Signalling, Unreachable } from './signalling.js';
import * as ring from './ring.js';
import * as session from './session.js';
import { trouble } from './trouble.js';

const MOST_CALLS = 3;
const ENDED_SHOWN = 5000;

export class Phone extends EventTarget {
  devices = new Devices(localStorage);
  signalling = new Signalling(session.instance());
  me = null;
  calls = [];
  active = null;
  recents = null;
  notice = null;

  #config = null;
  #early = new Map();
  #dialling = 0;
  #ticker = null;
  #reconciling = Promise.resolve();

  constructor() {
    super();
    this.signalling.addEventListener('state', () => this.#linked());
    this.signalling.addEventListener('event', ({ detail }) => this.#take(detail));
    this.devices.addEventListener('track', () => this.calls.forEach((call) => call.retrack()));
    this.devices.addEventListener('speaker', () => this.calls.forEach((call) => call.setSpeaker(this.devices.speaker)));
    this.devices.addEventListener('state', () => this.#noticeMicrophone());
    navigator.connection?.addEventListener?.('change', () => this.#networkChanged());
    addEventListener('online', () => this.#networkChanged());
  }

  get incoming() { return this.calls.find((call) => call.state === 'incoming') ?? null; }
  get held() { return this.calls.filter((call) => call !== this.active && call.live && call.state !== 'incoming'); }

  // ---- signing in and out

  async signIn(extension, password, remember) {
    const answer = await this.signalling.signIn(extension, password, remember);
    session.keep({ token: answer.token, extension: answer.extension, name: answer.name }, remember);
    this.#start({ token: answer.token, extension: answer.extension, name: answer.name });
  }

  /** Goes on with a session that is kept, or came with a link. */
  async enter(kept, { link = false } = {}) {
    const known = await this.signalling.who(kept.token).catch((error) => {
      if (error instanceof Unreachable && !link) return kept;
      throw error;
    });
    const me = { ...kept, extension: known.extension, name: known.name ?? '' };
    if (link) session.keep(me, false);
    this.#start(me);
  }

  async signOut() {
    this.calls.forEach((call) => call.end());
    await this.signalling.signOut().catch(() => {});
    this.#leave(null);
  }

  // ---- calls

  async dial(number) {
    const to = number.trim();
    if (!to || this.incoming || this.calls.filter((call) => call.live).length >= MOST_CALLS) return;
    await this.#holdActive();
    const call = this.#add('outgoing', 'opening', to);
    this.#activate(call);
    this.#dialling += 1;
    try {
      await call.dial();
    } catch (error) {
      call.finish(error.reason ?? 'failed', error.message);
    } finally {
      this.#dialling -= 1;
    }
    this.#deliverEarly(call);
  }

  async accept() {
    const call = this.incoming;
    if (!call) return;
    ring.stop();
    await this.#holdActive();
    this.#activate(call);
    await call.accept();
  }

  reject(busy = false) { this.incoming?.end(busy); }

  hangUp() { this.active?.end(); }

  async hold() {
    try {
      await this.active?.hold();
    } catch (error) {
      this.#say(`Hold did not work. ${error.message}`);
    }
  }

  /** Brings a held call to the front; the active one takes its place on hold. */
  async swap(call) {
    await this.#holdActive();
    this.#activate(call);
    await call.hold(false).catch((error) => this.#say(error.message));
  }

  dismiss(call) {
    if (!call || call.live) return;
    this.calls = this.calls.filter((other) => other !== call);
    if (this.active === call) this.active = this.calls.find((other) => other.live && other.state !== 'incoming') ?? null;
    this.#changed();
  }

  // ---- the microphone before a call

  /** Says beforehand what would keep a call from being heard. */
  async checkMicrophone() {
    const obstacle = Devices.obstacle();
    if (obstacle) return this.#note(trouble(obstacle));
    const permission = await Devices.permission();
    if (permission === 'denied') this.#note(trouble('permission-denied'));
    else if (permission === 'prompt') this.#note({ reason: 'ask', title: 'Allow the microphone', text: 'Then calls can start at once. It is open only while you talk.', action: 'ask-microphone', actionText: 'Allow' });
    await this.devices.refresh();
  }

  async askMicrophone() {
    await this.devices.acquire();
    const state = this.devices.state;
    this.devices.release();
    this.#note(state === 'ok' ? null : trouble(state));
  }

  dismissNotice() { this.#note(null); }

  // ---- private

  #start(me) {
    this.me = me;
    this.recents = new Recents(me.extension);
    this.signalling.connect(me.token);
    this.checkMicrophone();
    this.#changed();
  }

  #leave(why) {
    session.forget();
    ring.stop();
    this.signalling.disconnect();
    this.calls.forEach((call) => call.finish('signed-out', 'Signed out'));
    Object.assign(this, { me: null, calls: [], active: null, notice: null });
    this.dispatchEvent(new CustomEvent('signed-out', { detail: why }));
  }

  #linked() {
    if (this.signalling.state === 'registered') {
      this.#reconciling = this.#reconciling.then(() => this.#reconcile()).catch(() => {});
    } else if (this.signalling.state === 'signed-out') {
      this.#leave('Your session has ended. Sign in again.');
    } else if (this.signalling.state === 'replaced') {
      // The other tab takes the calls up; here they end without a word to the gateway.
      this.calls.forEach((call) => call.finish('moved', 'Moved to another tab'));
      this.calls.forEach((call) => this.dismiss(call));
    }
    this.#changed();
  }

  /** After every connection: what does the gateway have, what do we have? */
  async #reconcile() {
    this.#config = await this.signalling.webrtcConfig().catch(() => this.#config);
    const views = await this.signalling.calls();
    const there = new Map(views.filter((view) => view.state !== 'ended').map((view) => [String(view.id), view]));
    for (const call of this.calls) {
      if (!call.live || call.id == null) continue;
      const view = there.get(String(call.id));
      if (view) {
        call.apply(view);
        await this.signalling.catchUp(call.id).catch(() => {});
        if (call.trouble()) call.mend();
      } else {
        call.finish('lost', 'The call ended while the connection was away');
      }
    }
    for (const [id, view] of there) {
      if (!this.#byId(id) && !this.#dialling) await this.#takeUp(view);
    }
  }

  /** A call of the page that was here before. */
  async #takeUp(view) {
    const items = await this.signalling.skipSeen(view.id).catch(() => []);
    if (view.direction === 'incoming' && view.state === 'ringing') {
      const offer = items.findLast((item) => item.signal.type === 'offer')?.signal.sdp;
      if (offer) this.#ringIn(view, offer);
      return;
    }
    const call = this.#add(view.direction, 'resuming', view.peer);
    if (!this.active || view.state === 'up') this.#activate(call);
    await call.resume(view).catch((error) => call.finish('lost', error.message));
  }

  #take(event) {
    const id = event.call?.id ?? event.call;
    if (event.type === 'IncomingCall') return this.#ringIn(event.call, event.offer);
    if (event.type === 'Notice') return this.#note({ reason: event.reason, title: 'Somebody calls for help', text: event.text });
    const call = this.#byId(id);
    if (!call) {
      // While we dial, the gateway may speak of the call before it told us its name.
      if (this.#dialling) this.#early.set(String(id), [...this.#early.get(String(id)) ?? [], event].slice(-50));
      return;
    }
    if (event.type === 'CallState') call.apply(event.call);
    else if (event.type === 'Signal') call.signal(event.signal);
    else if (event.type === 'Quality') call.quality.gateway(event.quality);
    else if (event.type === 'MediaTrouble') call.report(event.reason, event.text);
    else if (event.type === 'Dtmf') this.#say(`The other side pressed ${event.digit}`);
  }

  #deliverEarly(call) {
    const events = this.#early.get(String(call.id)) ?? [];
    if (!this.#dialling) this.#early.clear();
    events.forEach((event) => this.#take(event));
  }

  #ringIn(view, offer) {
    if (this.#byId(view.id)) return;
    const live = this.calls.filter((call) => call.live);
    if (this.incoming || live.length >= MOST_CALLS) {
      this.signalling.end(view.id, true).catch(() => {});
      return;
    }
    const call = this.#add('incoming', 'incoming', view.peer);
    call.ring(view, offer);
    this.dispatchEvent(new CustomEvent('ringing', { detail: call }));
  }

  #add(direction, state, peer) {
    const services = { signalling: this.signalling, devices: this.devices, config: () => this.#config };
    const call = new Call(services, direction, state, peer);
    call.addEventListener('change', () => this.#changed());
    call.addEventListener('ended', () => this.#ended(call));
    this.calls = [...this.calls.filter((other) => other.live), call];
    this.#ticker ??= setInterval(() => this.#tick(), 1000);
    this.#changed();
    return call;
  }

  #activate(call) {
    this.active = call;
    this.#changed();
  }

  async #holdActive() {
    if (this.active?.state === 'up') {
      await this.active.hold(true).catch((error) => this.#say(error.message));
    }
  }

  #ended(call) {
    if (call.why.reason !== 'moved') this.recents?.add(call);
    const mine = ['hangup', 'rejected', 'signed-out', 'moved', 'answered-elsewhere'].includes(call.why.reason);
    const alone = this.calls.every((other) => !other.live);
    if (call === this.active && !mine) ring.busy();
    else if (call.answered && alone) ring.over();
    if (call !== this.active) this.dismiss(call);
    else setTimeout(() => this.dismiss(call), ENDED_SHOWN);
    if (call.why.reason === 'answered-elsewhere') this.#say('Answered on another device');
    this.#changed();
  }

  #tick() {
    const live = this.calls.filter((call) => call.live);
    live.forEach((call) => call.tick());
    if (live.length === 0) {
      clearInterval(this.#ticker);
      this.#ticker = null;
    }
  }

  /** What should be heard now, from the states of all calls. */
  #sound() {
    const { incoming, active } = this;
    if (incoming) return active?.talking ? ring.waitingCall() : ring.ringing();
    if (active?.state === 'ringing') return ring.ringback();
    ring.stop('ringing'), ring.stop('waiting'), ring.stop('ringback');
  }

  #networkChanged() {
    for (const call of this.calls) if (call.talking) call.mend(true);
  }

  #noticeMicrophone() {
    if (this.devices.state === 'ok' && this.notice?.reason !== 'emergency') this.#note(null);
    this.#changed();
  }

  #note(notice) {
    this.notice = notice;
    this.#changed();
  }

  #byId(id) { return this.calls.find((call) => call.id != null && String(call.id) === String(id)); }
  #say(text) { this.dispatchEvent(new CustomEvent('say', { detail: text })); }

  #changed() {
    this.#sound();
    this.dispatchEvent(new Event('change'));
  }
}

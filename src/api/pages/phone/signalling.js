// REST and the event stream: everything that goes to the gateway and comes from it, except media.
//
// The stream's states:
//
// | state        | meaning                                            | leaves by                          |
// | ------------ | -------------------------------------------------- | ---------------------------------- |
// | `off`        | nobody is signed in                                | connect()                          |
// | `connecting` | a WebSocket is being opened                        | Registered, close                  |
// | `registered` | calls reach this page                              | close                              |
// | `waiting`    | it broke; the next try is due at `retryAt`         | the time, the network, the person  |
// | `replaced`   | the same browser has its phone in another tab      | connect()                          |
// | `signed-out` | the token is no longer good                        | connect() with another token       |
// | `refused`    | too many pages are open                            | connect()                          |

const BASE = '/api/v1/voip';
const REQUEST_TIME = 12_000;
const PING_EVERY = 15_000;
const PONG_WITHIN = 8_000;
const REGISTER_WITHIN = 10_000;
const FIRST_WAIT = 500;
const LONGEST_WAIT = 30_000;
const REPLACED = 4409;
const REFUSED = 4503;

/** The gateway said no; `reason` is its stable word. */
export class Refusal extends Error {
  constructor(status, problem, retryAfter) {
    super(problem.title ?? 'The gateway refused.');
    this.status = status;
    this.reason = problem.reason ?? 'unknown';
    this.retryAfter = retryAfter;
  }
}

/** The gateway could not be reached, or did not answer in time. */
export class Unreachable extends Error {
  constructor() {
    super('The gateway cannot be reached.');
    this.reason = 'unreachable';
  }
}

export class Signalling extends EventTarget {
  #instance;
  #token = null;
  #socket = null;
  #state = 'off';
  #retryAt = 0;
  #wait = FIRST_WAIT;
  #timers = {};
  #seen = new Map();

  constructor(instance) {
    super();
    this.#instance = instance;
    addEventListener('online', () => this.#hurry());
    document.addEventListener('visibilitychange', () => document.hidden || this.#hurry());
  }

  get state() { return this.#state; }
  get retryAt() { return this.#retryAt; }

  // ---- REST

  signIn(extension, password, remember) {
    return this.#ask('POST', '/session', { body: { extension, password, remember }, token: null });
  }
  who(token) { return this.#ask('GET', '/session', { token }); }
  signOut() { return this.#ask('DELETE', '/session'); }
  webrtcConfig() { return this.#ask('GET', '/webrtc-config'); }
  dial(to, sdp, key) {
    return this.#ask('POST', '/calls', { body: { to, type: 'audio', sdp }, headers: { 'Idempotency-Key': key } });
  }
  calls() { return this.#ask('GET', '/calls').then((list) => list.items); }
  accept(id, sdp) { return this.#ask('POST', `/calls/${encodeURIComponent(id)}/accept`, { body: { sdp } }); }
  end(id, busy = false, keepalive = false) {
    return this.#ask('POST', `/calls/${encodeURIComponent(id)}/end`, { body: { busy }, keepalive });
  }
  signal(id, signal) { return this.#ask('POST', `/calls/${encodeURIComponent(id)}/signaling`, { body: signal }); }
  missed(id, since) {
    return this.#ask('GET', `/calls/${encodeURIComponent(id)}/signaling?since=${since}`).then((list) => list.items);
  }

  /** Forgets what a page before this one has seen: the signals of a resumed call begin now. */
  async skipSeen(id) {
    const items = await this.missed(id, 0);
    const last = items.at(-1)?.sequence ?? 0;
    this.#seen.set(String(id), Math.max(last, this.#seen.get(String(id)) ?? 0));
    return items;
  }

  /** Fetches the signals that a broken stream swallowed. */
  async catchUp(id) {
    const items = await this.missed(id, this.#seen.get(String(id)) ?? 0);
    for (const { sequence, signal } of items) this.#emitSignal(id, sequence, signal);
  }

  forget(id) { this.#seen.delete(String(id)); }

  // ---- the stream

  connect(token = this.#token) {
    this.#token = token;
    this.#wait = FIRST_WAIT;
    this.#open();
  }

  disconnect() {
    this.#token = null;
    this.#drop();
    this.#turn('off');
  }

  retryNow() {
    if (this.#state === 'waiting') this.#open();
  }

  #open() {
    this.#drop();
    this.#turn('connecting');
    const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
    const socket = new WebSocket(`${scheme}://${location.host}/ws/auth?token=${encodeURIComponent(this.#token)}`);
    this.#socket = socket;
    this.#timers.register = setTimeout(() => socket.close(), REGISTER_WITHIN);
    socket.onopen = () => {
      socket.send(JSON.stringify({ type: 'Subscribe', phone: true, instance: this.#instance }));
      this.#timers.ping = setInterval(() => this.#ping(), PING_EVERY);
    };
    socket.onmessage = (message) => socket === this.#socket && this.#take(message.data);
    socket.onclose = (close) => socket === this.#socket && this.#closed(close.code);
  }

  #take(text) {
    clearTimeout(this.#timers.pong);
    let event;
    try { event = JSON.parse(text); } catch { return; }
    if (event.type === 'Registered') {
      clearTimeout(this.#timers.register);
      this.#timers.steady = setTimeout(() => { this.#wait = FIRST_WAIT; }, 10_000);
      this.#turn('registered');
    } else if (event.type === 'Signal') {
      this.#ordered(event);
    } else if (event.type !== 'Pong' && event.type !== 'Error') {
      this.#emit(event);
    }
  }

  /** Signals come out once and in order; a gap is filled by asking. */
  #ordered({ call, sequence, signal }) {
    const seen = this.#seen.get(String(call)) ?? 0;
    if (sequence > seen + 1) {
      this.catchUp(call).catch(() => this.#emitSignal(call, sequence, signal));
    } else {
      this.#emitSignal(call, sequence, signal);
    }
  }

  #emitSignal(call, sequence, signal) {
    if (sequence <= (this.#seen.get(String(call)) ?? 0)) return;
    this.#seen.set(String(call), sequence);
    this.#emit({ type: 'Signal', call, sequence, signal });
  }

  #ping() {
    if (this.#socket?.readyState !== WebSocket.OPEN) return;
    this.#socket.send('{"type":"Ping"}');
    clearTimeout(this.#timers.pong);
    this.#timers.pong = setTimeout(() => this.#broken(), PONG_WITHIN);
  }

  /** A network that swallows everything does not close sockets: we do. */
  #broken() {
    this.#drop();
    this.#retry();
  }

  #closed(code) {
    this.#drop();
    if (code === REPLACED) this.#turn('replaced');
    else if (code === REFUSED) this.#turn('refused');
    else this.#retry();
  }

  async #retry() {
    const wait = this.#wait * (0.5 + Math.random() / 2);
    this.#wait = Math.min(this.#wait * 2, LONGEST_WAIT);
    this.#retryAt = Date.now() + wait;
    this.#turn('waiting');
    this.#timers.retry = setTimeout(() => this.#open(), wait);
    // A browser does not say why a WebSocket was refused, so the token is tried on its own.
    await this.who(this.#token).catch(() => {});
  }

  /** The token is no longer good: it ran out, or the password was changed. */
  #expired() {
    this.#token = null;
    this.#drop();
    this.#turn('signed-out');
  }

  #hurry() {
    if (this.#state === 'waiting') {
      this.#wait = FIRST_WAIT;
      this.#open();
    } else if (this.#state === 'registered') {
      this.#ping();
    }
  }

  #drop() {
    for (const timer of Object.values(this.#timers)) clearTimeout(timer);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  #turn(state) {
    this.#state = state;
    this.dispatchEvent(new Event('state'));
  }

  #emit(detail) { this.dispatchEvent(new CustomEvent('event', { detail })); }

  async #ask(method, path, { body, token = this.#token, headers = {}, keepalive = false } = {}) {
    const all = { 'X-Phone-Instance': this.#instance, ...headers };
    if (token) all.Authorization = `Bearer ${token}`;
    if (body) all['Content-Type'] = 'application/json';
    let response;
    try {
      const signal = AbortSignal.timeout(REQUEST_TIME);
      response = await fetch(BASE + path, { method, headers: all, body: body && JSON.stringify(body), keepalive, signal, cache: 'no-store' });
    } catch {
      throw new Unreachable();
    }
    if (response.status === 204) return null;
    const answer = await response.json().catch(() => ({}));
    if (response.status === 401 && token && token === this.#token) this.#expired();
    if (!response.ok) throw new Refusal(response.status, answer, Number(response.headers.get('Retry-After')) || 0);
    return answer;
  }
}

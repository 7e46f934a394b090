// A softphone by JsSIP, SIP over secure WebSocket (RFC 7118), for tests to steer by evaluating `softphone.…`.

globalThis.softphone = {
  log: [],
  registered: false,
  ringing: null,
  session: null,
  // What became of the last call: {by, cause}.
  ended: null,
  digits: '',

  start({ server, uri, password, displayName, iceServers = [] }) {
    this.iceServers = iceServers;
    const socket = new JsSIP.WebSocketInterface(server);
    this.agent = new JsSIP.UA({
      sockets: [socket], uri, password, display_name: displayName, register_expires: 120, session_timers: true,
    });
    const events = ['connected', 'disconnected', 'registered', 'unregistered', 'registrationFailed'];
    for (const event of events) {
      this.agent.on(event, (data) => {
        if (event.startsWith('reg') || event.startsWith('unreg')) this.registered = event === 'registered';
        this.note(event, data?.cause ?? data?.response?.status_code);
      });
    }
    this.agent.on('newRTCSession', ({ session, originator, request }) => {
      if (this.session && !this.session.isEnded()) {
        session.terminate({ status_code: 486 });
        return;
      }
      this.follow(session);
      if (originator === 'remote') {
        this.ringing = { user: request.from.uri.user, name: request.from.display_name ?? '' };
        this.note('ringing', this.ringing);
      }
    });
    this.agent.start();
  },

  stop() {
    this.agent.stop();
  },

  note(event, detail) {
    this.log.push({ event, detail: detail ?? null, at: Math.round(performance.now()) });
    document.getElementById('state').textContent = event;
  },

  follow(session) {
    this.session = session;
    this.ended = null;
    for (const event of ['progress', 'accepted', 'confirmed', 'hold', 'unhold', 'reinvite', 'update']) {
      session.on(event, (data) => this.note(event, data?.response?.status_code ?? data?.originator));
    }
    for (const event of ['ended', 'failed']) {
      session.on(event, ({ originator, cause, message }) => {
        const headers = ['Reason'].map((name) => message?.getHeader?.(name)).filter(Boolean);
        this.ended = { by: originator, cause, code: message?.status_code ?? null, reason: headers[0] ?? null };
        this.ringing = null;
        this.note(event, this.ended);
      });
    }
    session.on('newDTMF', ({ originator, dtmf }) => {
      if (originator === 'remote') this.digits += dtmf.tone;
    });
    // The first candidate is enough on one site: do not wait until every interface has been asked.
    session.on('icecandidate', ({ ready }) => ready());
  },

  options() {
    return {
      mediaConstraints: { audio: true, video: false },
      pcConfig: { iceServers: this.iceServers },
      rtcOfferConstraints: { offerToReceiveAudio: true, offerToReceiveVideo: false },
    };
  },

  call(target) {
    this.agent.call(target, this.options());
  },

  answer() {
    this.session.answer(this.options());
  },

  reject(code = 486) {
    this.session.terminate({ status_code: code });
  },

  hangUp() {
    this.session.terminate();
  },

  hold() {
    this.session.hold();
  },

  resume() {
    this.session.unhold();
  },

  sendDigits(digits, transport = 'RFC2833') {
    this.session.sendDTMF(digits, { transportType: transport });
  },

  isEstablished() {
    return Boolean(this.session?.isEstablished());
  },
};

// One call's media: an RTCPeerConnection, the sound it brings, its statistics. Audio only.
//
// Events: `candidate` (detail: the candidate to send), `change` (ICE, DTLS or playback changed).

import { analyse, peakOf, scale, silence } from './devices.js';

const CODECS = ['audio/opus', 'audio/g722', 'audio/pcmu', 'audio/pcma', 'audio/telephone-event'];

export class Media extends EventTarget {
  playbackBlocked = false;
  wasConnected = false;

  #pc;
  #sender;
  #audio = new Audio();
  #remote = null;
  #analyser = null;
  #samples = new Float32Array(1024);
  #early = [];
  #fallback = null;
  #sent = null;
  #sending = true;
  #since = { negotiated: null, ice: null };

  constructor(config, speaker) {
    super();
    this.#pc = new RTCPeerConnection({ iceServers: config?.ice_servers ?? [], bundlePolicy: 'max-bundle', rtcpMuxPolicy: 'require' });
    this.#audio.autoplay = true;
    this.setSpeaker(speaker);
    this.#pc.onicecandidate = ({ candidate }) => this.dispatchEvent(new CustomEvent('candidate', { detail: candidate }));
    this.#pc.ontrack = ({ track, streams }) => this.#heard(streams[0] ?? new MediaStream([track]));
    this.#pc.oniceconnectionstatechange = () => this.#changed();
    this.#pc.onconnectionstatechange = () => this.#changed();
  }

  // ---- negotiation

  /** An offer of our own; the track is the microphone's, or null for silence. */
  async offer(track) {
    this.#send(track, true);
    await this.#pc.setLocalDescription();
    return this.#pc.localDescription.sdp;
  }

  /** The answer to the gateway's offer, the first one or a later one. An offer of ours in flight is taken back. */
  async answer(sdp, track) {
    await this.#pc.setRemoteDescription({ type: 'offer', sdp });
    this.#send(track, false);
    await this.#pc.setLocalDescription();
    this.#since.negotiated ??= performance.now();
    await this.#flush();
    return this.#pc.localDescription.sdp;
  }

  /** The gateway's answer. One that nothing waits for is not for this connection. */
  async take(sdp) {
    if (this.#pc.signalingState !== 'have-local-offer') return false;
    await this.#pc.setRemoteDescription({ type: 'answer', sdp });
    this.#since.negotiated ??= performance.now();
    await this.#flush();
    return true;
  }

  /** Whether an offer comes from another DTLS end than the one before: then it needs a new connection. */
  isForeign(sdp) {
    const before = this.#pc.remoteDescription?.sdp;
    return Boolean(before) && fingerprint(before) !== fingerprint(sdp);
  }

  async addCandidate(candidate) {
    if (!this.#pc.remoteDescription) {
      this.#early.push(candidate);
      return;
    }
    await this.#pc.addIceCandidate(candidate).catch(() => {});
  }

  /** A new offer with new ICE credentials, after the network changed. Null while another one is in flight. */
  async restart() {
    if (this.#pc.signalingState !== 'stable') return null;
    this.#pc.restartIce();
    await this.#pc.setLocalDescription();
    return this.#pc.localDescription.sdp;
  }

  // ---- sound

  /** Puts another microphone under the call; null sends silence. */
  async setTrack(track) {
    const before = this.#sent;
    const now = this.#copy(track);
    await this.#sender?.replaceTrack(now);
    before?.stop();
  }

  /** Whether the other side hears us: on hold or muted they get silence. */
  setSending(sending) {
    this.#sending = sending;
    if (this.#sent) this.#sent.enabled = sending;
  }

  setSpeaker(id) { this.#audio.setSinkId?.(id || '').catch(() => {}); }

  /** Whether the other side is heard. */
  setAudible(audible) { this.#audio.muted = !audible; }

  /** Starts what the browser held back. */
  async play() {
    if (!this.#remote) return;
    try {
      await this.#audio.play();
      this.playbackBlocked = false;
    } catch (error) {
      this.playbackBlocked = error.name === 'NotAllowedError';
    }
    this.#changed();
  }

  /** The level of the other side, 0 to 1. */
  level() { return this.#analyser ? scale(peakOf(this.#analyser, this.#samples)) : 0; }

  close() {
    this.#pc.onicecandidate = this.#pc.ontrack = this.#pc.oniceconnectionstatechange = this.#pc.onconnectionstatechange = null;
    this.#pc.close();
    this.#analyser?.disconnect();
    this.#fallback?.stop();
    this.#sent?.stop();
    this.#audio.srcObject = null;
  }

  // ---- what is measured

  /** States as trouble.js wants them. */
  facts() {
    const seconds = (since) => since == null ? 0 : (performance.now() - since) / 1000;
    const ice = this.#pc.iceConnectionState === 'completed' ? 'connected' : this.#pc.iceConnectionState;
    return {
      ice, dtls: this.#dtls(), wasConnected: this.wasConnected, playbackBlocked: this.playbackBlocked,
      negotiatedFor: seconds(this.#since.negotiated), iceConnectedFor: seconds(this.#since.ice),
    };
  }

  /** The numbers of this moment, for quality.js. */
  async sample() {
    if (this.#pc.connectionState === 'closed') return {};
    const stats = await this.#pc.getStats();
    const sample = {};
    const byId = (id) => id && stats.get(id);
    for (const entry of stats.values()) {
      if (entry.type === 'inbound-rtp' && entry.kind === 'audio') {
        sample.received = { packets: entry.packetsReceived ?? 0, lost: entry.packetsLost ?? 0, jitterMs: 1000 * (entry.jitter ?? 0) };
        sample.codec = codecName(byId(entry.codecId)) ?? sample.codec;
      } else if (entry.type === 'outbound-rtp' && entry.kind === 'audio') {
        sample.sent = { packets: entry.packetsSent ?? 0 };
        sample.codec ??= codecName(byId(entry.codecId));
      } else if (entry.type === 'remote-inbound-rtp' && entry.kind === 'audio') {
        const roundTripMs = entry.roundTripTimeMeasurements === 0 ? null : 1000 * entry.roundTripTime;
        sample.remote = { lossPercent: 100 * (entry.fractionLost ?? 0), jitterMs: 1000 * (entry.jitter ?? 0), roundTripMs: Number.isFinite(roundTripMs) ? roundTripMs : null };
      } else if (entry.type === 'transport') {
        const pair = byId(entry.selectedCandidatePairId);
        if (pair?.currentRoundTripTime != null) sample.pathRoundTripMs = 1000 * pair.currentRoundTripTime;
        sample.path = pathName(byId(pair?.localCandidateId), entry);
      }
    }
    return sample;
  }

  // ---- private

  #send(track, offering) {
    if (this.#sender) return;
    const sent = this.#copy(track);
    const offered = offering ? null : this.#pc.getTransceivers()[0];
    const transceiver = offered ?? this.#pc.addTransceiver(sent, { direction: 'sendrecv' });
    if (offered) {
      offered.sender.replaceTrack(sent);
      offered.direction = 'sendrecv';
    }
    this.#sender = transceiver.sender;
    prefer(transceiver);
  }

  /** Calls share the microphone, but each mutes its own copy of the track. */
  #copy(track) {
    this.#sent = track?.clone() ?? null;
    if (this.#sent) this.#sent.enabled = this.#sending;
    return this.#sent ?? (this.#fallback ??= silence());
  }

  #heard(stream) {
    this.#remote = stream;
    this.#audio.srcObject = stream;
    this.#analyser?.disconnect();
    this.#analyser = analyse(stream);
    this.play();
  }

  async #flush() {
    for (const candidate of this.#early.splice(0)) await this.addCandidate(candidate);
  }

  #dtls() {
    const transport = this.#sender?.transport;
    if (transport) return transport.state;
    return this.#pc.connectionState === 'failed' && this.#pc.iceConnectionState === 'connected' ? 'failed' : 'new';
  }

  #changed() {
    const connected = ['connected', 'completed'].includes(this.#pc.iceConnectionState);
    if (connected) this.#since.ice ??= performance.now();
    else this.#since.ice = null;
    if (this.#pc.connectionState === 'connected') this.wasConnected = true;
    this.dispatchEvent(new Event('change'));
  }
}

/** Opus, G.722 and G.711 in the browser's own order; nothing that the gateway would refuse. */
function prefer(transceiver) {
  const all = RTCRtpReceiver.getCapabilities?.('audio')?.codecs ?? [];
  const wanted = all.filter((codec) => CODECS.includes(codec.mimeType.toLowerCase()));
  if (wanted.length > 0) transceiver.setCodecPreferences?.(wanted);
}

function fingerprint(sdp) { return sdp.match(/^a=fingerprint:(.+)$/m)?.[1].trim().toLowerCase(); }

function codecName(codec) {
  const name = codec?.mimeType?.split('/')[1];
  return name && `${name === 'opus' ? 'Opus' : name.toUpperCase()}`;
}

function pathName(local, transport) {
  const how = { host: 'Direct', srflx: 'Through NAT', prflx: 'Through NAT', relay: 'By a relay' }[local?.candidateType];
  const cipher = transport.srtpCipher?.match(/AES_?(?:CM_)?(128|256)(_GCM)?/);
  const secured = cipher && `AES-${cipher[1]}${cipher[2] ? ' GCM' : ''}`;
  return [how, local?.protocol?.toUpperCase(), secured].filter(Boolean).join(', ') || null;
}

/** A candidate of ours as the signalling carries it; null ends them. */
export function signalOf(candidate) {
  if (!candidate) return { type: 'ice_candidate', candidate: '' };
  return { type: 'ice_candidate', candidate: candidate.candidate, sdpMid: candidate.sdpMid, sdpMLineIndex: candidate.sdpMLineIndex };
}

/** The same, back. */
export function candidateOf({ candidate, sdpMid, sdpMLineIndex }) {
  return { candidate, sdpMid: sdpMid ?? '0', sdpMLineIndex: sdpMLineIndex ?? 0 };
}

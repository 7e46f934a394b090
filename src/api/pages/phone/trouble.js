// Why there is no sound, in plain words. Every reason has a title, a sentence that says what to do, and where
// something can be done here, an action.

const WORDS = {
  'insecure-context': ['The microphone needs a secure page', 'Browsers give the microphone only to pages opened with https. Open this page by its https address.'],
  'no-media-devices': ['This browser cannot make calls', 'It offers no way to the microphone. Use a current Chrome, Edge, Firefox or Safari.'],
  'permission-denied': ['The microphone is blocked', 'The other side cannot hear you. Allow the microphone by the sign beside the page’s address, then try again.', 'retry-microphone', 'Try again'],
  'permission-dismissed': ['The microphone was not allowed', 'The question was closed without an answer. Without the microphone the other side cannot hear you.', 'retry-microphone', 'Ask again'],
  'no-microphone': ['No microphone found', 'Plug in a headset or a microphone. The call takes it by itself.', 'retry-microphone', 'Look again'],
  'microphone-busy': ['The microphone cannot be opened', 'Another program may be using it, or the system does not let the browser use it. Close the other program, then try again.', 'retry-microphone', 'Try again'],
  'microphone-gone': ['The microphone was unplugged', 'The other side hears silence. Plug it in again or choose another one.', 'choose-microphone', 'Choose a microphone'],
  'muted-by-system': ['The system muted the microphone', 'Your computer or headset turned the microphone off: look for a mute key or switch.'],
  'silent-microphone': ['Your microphone sends only silence', 'Check its mute switch and its level, or choose another one.', 'choose-microphone', 'Choose a microphone'],
  'playback-blocked': ['The browser holds the sound back', 'It plays sound only after a click.', 'play', 'Turn the sound on'],
  'no-ice-path': ['No path for the sound', 'The call is signalled, but no sound packets get through between this device and the gateway. A firewall or VPN may block UDP.', 'restart-ice', 'Try again'],
  'path-lost': ['The connection for the sound broke', 'Trying to find a new path. The call stays up meanwhile.'],
  'consent-lost': ['The connection for the sound broke', 'Trying to find a new path. The call stays up meanwhile.', 'restart-ice', 'Try now'],
  'dtls-failed': ['The sound could not be secured', 'A path was found, but the encryption could not be agreed on. Hang up and call again; if it stays, tell your administrator.', 'restart-ice', 'Try again'],
  'no-packets': ['Nothing is heard from the other side', 'The connection stands, but no sound arrives. The other side may have a problem with its microphone or network.'],
  'peer-on-hold': ['You are on hold', 'The other side put the call on hold. Sound comes back when they do.'],
  'bad-description': ['The two sides share no sound format', 'This browser and the gateway could not agree on a codec.'],
};

/** A trouble as the page shows it. `text` is the gateway's own sentence, used for reasons unknown here. */
export function trouble(reason, text) {
  const [title, sentence, action, actionText] = WORDS[reason] ?? ['Something is wrong with the sound', text ?? 'The gateway reported a problem.'];
  return { reason, title, text: sentence, action, actionText };
}

/** The reason behind an error of getUserMedia. */
export function microphoneReason(error) {
  switch (error?.name) {
    case 'NotAllowedError':
    case 'SecurityError': return /dismiss/i.test(error.message) ? 'permission-dismissed' : 'permission-denied';
    case 'NotFoundError':
    case 'OverconstrainedError': return 'no-microphone';
    default: return 'microphone-busy';
  }
}

/**
 * What is wrong with a call's sound now, the most helpful reason first; null when nothing is.
 * `facts` is what Call.facts() gives.
 */
export function diagnose(facts) {
  if (facts.ended) return null;
  if (!['ok', 'closed'].includes(facts.microphone)) return facts.microphone;
  if (facts.ice === 'failed') return facts.wasConnected ? 'consent-lost' : 'no-ice-path';
  if (facts.dtls === 'failed') return 'dtls-failed';
  if (facts.ice === 'checking' && facts.negotiatedFor > 10) return 'no-ice-path';
  if (facts.wasConnected && facts.ice === 'disconnected') return 'path-lost';
  if (facts.ice === 'connected' && facts.dtls === 'connecting' && facts.iceConnectedFor > 6) return 'dtls-failed';
  if (facts.heldByPeer) return 'peer-on-hold';
  if (facts.held) return null;
  if (facts.playbackBlocked) return 'playback-blocked';
  if (facts.up && facts.dtls === 'connected' && facts.silentFor > 4) return 'no-packets';
  if (facts.trackMuted) return 'muted-by-system';
  if (facts.up && !facts.muted && facts.inputSilentFor > 8) return 'silent-microphone';
  return null;
}

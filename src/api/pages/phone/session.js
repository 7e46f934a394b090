// Who is signed in here: the token, where it is remembered, and the link from a QR code.

const KEY = 'session';

/** The session kept in this tab or on this device; null when there is none. */
export function restore() {
  for (const store of [sessionStorage, localStorage]) {
    try {
      const session = JSON.parse(store.getItem(KEY));
      if (session?.token) return session;
    } catch {
      store.removeItem(KEY);
    }
  }
  return null;
}

/** Keeps a session: on the device when the person chose so, else until the tab closes. */
export function keep(session, remember) {
  forget();
  (remember ? localStorage : sessionStorage).setItem(KEY, JSON.stringify(session));
}

export function forget() {
  sessionStorage.removeItem(KEY);
  localStorage.removeItem(KEY);
}

/** `#token=…&extension=…` of a link; taken from the address bar before anything else happens. */
export function fromLink() {
  const link = new URLSearchParams(location.hash.slice(1));
  const token = link.get('token');
  if (location.hash) history.replaceState(null, '', location.pathname + location.search);
  return token ? { token, extension: link.get('extension') ?? '' } : null;
}

/** Names this browser, so that a page loaded again takes the place of the one before. */
export function instance() {
  const made = localStorage.getItem('instance') ?? crypto.randomUUID?.() ?? randomId();
  localStorage.setItem('instance', made);
  return made;
}

/** randomUUID is only for secure pages; a page that is not must still be able to say what is wrong. */
export function randomId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

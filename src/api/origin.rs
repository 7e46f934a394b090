//! Which pages may open our WebSockets (RFC 6455 §10.2).
//!
//! Browsers always send `Origin`; what sends none is no browser and is judged by its token alone.

use axum::http::{HeaderMap, header};

use super::peer::Peer;
use super::problem::Reason;

/// Lets our own page, the configured origins and what is no browser pass.
pub(crate) fn check(headers: &HeaderMap, peer: &Peer, allowed: &[String]) -> Result<(), Reason> {
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    let origin = origin.to_str().map_err(|_| Reason::ForeignOrigin)?;
    let own = headers.get(header::HOST).and_then(|host| host.to_str().ok()).is_some_and(|host| {
        let scheme = if peer.secure { "https://" } else { "http://" };
        origin.strip_prefix(scheme).is_some_and(|authority| authority.eq_ignore_ascii_case(host))
    });
    if own || allowed.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin)) {
        Ok(())
    } else {
        Err(Reason::ForeignOrigin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(origin: Option<&str>, secure: bool) -> Result<(), Reason> {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, "box.example:8443".parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        let address = "192.0.2.1:5".parse().unwrap();
        let peer = Peer { remote: address, local: address, secure, certificate: None, slot: None };
        check(&headers, &peer, &["https://intranet.example".to_owned()])
    }

    #[test]
    fn own_and_configured_pages_pass() {
        assert_eq!(judge(None, true), Ok(()));
        assert_eq!(judge(Some("https://box.example:8443"), true), Ok(()));
        assert_eq!(judge(Some("https://intranet.example"), true), Ok(()));
    }

    #[test]
    fn foreign_pages_do_not() {
        for origin in ["https://evil.example", "http://box.example:8443", "https://box.example", "null"] {
            assert_eq!(judge(Some(origin), true), Err(Reason::ForeignOrigin), "{origin}");
        }
        assert_eq!(judge(Some("http://box.example:8443"), false), Ok(()));
    }
}

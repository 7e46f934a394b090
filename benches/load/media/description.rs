//! SDP of the generator's ends, and what it reads from a server's.

use std::io;
use std::net::{IpAddr, SocketAddr};

use branchline::media::srtp::{SrtpKey, SrtpProfile};
use branchline::sdp::{CryptoAttribute, SrtpSuite};

/// What a server's description says of its one audio stream.
pub(crate) struct Described {
    pub(crate) address: SocketAddr,
    /// The key it sends with.
    pub(crate) key: Option<SrtpKey>,
    text: String,
}

impl Described {
    pub(crate) fn read(bytes: &[u8]) -> io::Result<Self> {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let missing = || io::Error::other(format!("not understood:\n{text}"));
        let first = |start: &str| text.lines().find_map(|line| line.trim_end().strip_prefix(start));
        let ip: IpAddr = first("c=IN IP4 ").and_then(|address| address.parse().ok()).ok_or_else(missing)?;
        let audio = first("m=audio ").and_then(|rest| rest.split(' ').next()?.parse().ok());
        let port: u16 = audio.ok_or_else(missing)?;
        let key = first("a=crypto:").and_then(sdes_key);
        Ok(Self { address: SocketAddr::new(ip, port), key, text })
    }

    pub(crate) fn is_ice_lite(&self) -> bool {
        self.text.lines().any(|line| line.trim_end() == "a=ice-lite")
    }

    /// Every value of an attribute, as in `candidate`.
    pub(crate) fn attributes<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let of =
            move |line: &'a str| line.trim_end().strip_prefix("a=")?.strip_prefix(name)?.strip_prefix(':');
        self.text.lines().filter_map(of)
    }
}

/// The key of a crypto attribute of the one suite that the generator speaks.
pub(crate) fn sdes_key(value: &str) -> Option<SrtpKey> {
    let line = CryptoAttribute::parse(value).ok()?;
    let is_ours = line.suite == SrtpSuite::AesCm128HmacSha1_80;
    is_ours.then(|| SrtpKey::from_joined(SrtpProfile::AesCm128HmacSha1_80, line.key.key_and_salt()).ok())?
}

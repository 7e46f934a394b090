//! What was asked on the command line.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;

/// A server and the phones that meet it.
#[derive(Clone)]
pub(crate) struct Order {
    pub(crate) mode: String,
    pub(crate) transport: Transport,
    pub(crate) target: SocketAddr,
    pub(crate) pid: u32,
    pub(crate) realm: String,
    pub(crate) first: u32,
    pub(crate) phones: u32,
    pub(crate) devices: u32,
    pub(crate) seconds: u64,
    pub(crate) passwords: Passwords,
}

/// How phones reach a server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Udp,
    Tls,
    /// SIP over secure WebSocket.
    Wss,
}

impl Transport {
    /// As Via has it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tls => "TLS",
            Self::Wss => "WSS",
        }
    }
}

impl Order {
    /// `None` when something needed is missing.
    pub(crate) fn read() -> Option<Self> {
        Some(Self {
            mode: value("--mode")?,
            transport: match value("--transport")?.as_str() {
                "udp" => Transport::Udp,
                "tls" => Transport::Tls,
                "wss" => Transport::Wss,
                _ => return None,
            },
            target: value("--target")?.parse().ok()?,
            pid: number("--pid", 0),
            realm: value("--realm")?,
            first: number("--first", 2001),
            phones: number("--phones", 50),
            devices: number("--devices", 1).max(1),
            seconds: number("--seconds", 10),
            passwords: Passwords::read(),
        })
    }
}

/// What follows `name` on the command line.
pub(crate) fn value(name: &str) -> Option<String> {
    std::env::args().skip_while(|word| word != name).nth(1)
}

/// The same as a number.
pub(crate) fn number<N: FromStr>(name: &str, default: N) -> N {
    value(name).and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Passwords by number: the file of `--passwords` has `NUMBER PASSWORD` lines, `*` for every other number.
#[derive(Clone)]
pub(crate) struct Passwords(Arc<HashMap<String, String>>);

impl Passwords {
    pub(crate) fn read() -> Self {
        let text = value("--passwords").and_then(|file| std::fs::read_to_string(file).ok());
        let text = text.unwrap_or_default();
        let lines = text.lines().filter_map(|line| line.split_once(' '));
        Self(Arc::new(lines.map(|(number, password)| (number.to_owned(), password.to_owned())).collect()))
    }

    pub(crate) fn of(&self, number: u32) -> &str {
        let found = self.0.get(&number.to_string()).or_else(|| self.0.get("*"));
        found.map_or("", String::as_str)
    }
}

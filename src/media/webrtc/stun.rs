//! STUN binding messages as ICE uses them (RFC 8489; attributes of RFC 8445 §16).
//!
//! Decoding borrows and allocates nothing; it bounds the number of attributes. A message is only trusted
//! after [`BindingMessage::is_authentic`]. FINGERPRINT is demanded, as RFC 8445 §7.1 makes every agent send it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ring::hmac;
use subtle::ConstantTimeEq;

use super::reason::PacketDrop;

const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xA4, 0x42];
const HEADER: usize = 20;
/// Type, length and value of MESSAGE-INTEGRITY.
const INTEGRITY: usize = 24;
/// Type, length and value of FINGERPRINT.
const FINGERPRINT: usize = 8;
const FINGERPRINT_XOR: u32 = 0x5354_554E;
/// More attributes than this and the message is refused.
const MAX_ATTRIBUTES: usize = 32;

const USERNAME: u16 = 0x0006;
const MESSAGE_INTEGRITY: u16 = 0x0008;
const ERROR_CODE: u16 = 0x0009;
const UNKNOWN_ATTRIBUTES: u16 = 0x000A;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
const PRIORITY: u16 = 0x0024;
const USE_CANDIDATE: u16 = 0x0025;
const FINGERPRINT_TYPE: u16 = 0x8028;
const ICE_CONTROLLED: u16 = 0x8029;
const ICE_CONTROLLING: u16 = 0x802A;
/// Comprehension-required attributes that may be present and say nothing to ICE.
const TOLERATED: [u16; 4] = [0x0001, 0x0014, 0x0015, 0x001C];

const REQUEST: u16 = 0x0001;
const INDICATION: u16 = 0x0011;
const SUCCESS: u16 = 0x0101;
const ERROR: u16 = 0x0111;

/// Pairs a response with its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TransactionId(pub [u8; 12]);

/// What kind of binding message it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BindingClass {
    /// A connectivity or consent check.
    Request,
    /// A keep-alive that asks for nothing.
    Indication,
    /// An answer to a check.
    Success,
    /// A refusal, with its code.
    Error(u16),
}

/// The role that the sender of a request claims, with its tie-breaker (RFC 8445 §7.3.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimedRole {
    /// ICE-CONTROLLING.
    Controlling(u64),
    /// ICE-CONTROLLED.
    Controlled(u64),
}

/// A decoded binding message; it borrows the datagram.
#[derive(Clone, Debug)]
pub struct BindingMessage<'a> {
    bytes: &'a [u8],
    /// Request, indication, success or error.
    pub class: BindingClass,
    /// Echoed in the response.
    pub transaction: TransactionId,
    /// USERNAME, `ours:theirs` in a request that we receive.
    pub username: Option<&'a [u8]>,
    /// PRIORITY of the sender's candidate.
    pub priority: Option<u32>,
    /// USE-CANDIDATE is present: the controlling side nominates.
    pub use_candidate: bool,
    /// ICE-CONTROLLING or ICE-CONTROLLED.
    pub role: Option<ClaimedRole>,
    /// XOR-MAPPED-ADDRESS of a response.
    pub mapped: Option<SocketAddr>,
    /// Comprehension-required attributes that we do not know, at most eight.
    pub unknown: heapless::Vec<u16, 8>,
    integrity_at: Option<usize>,
}

/// A binding request to send (RFC 8445 §7.2.4).
#[derive(Clone, Copy, Debug)]
pub struct CheckRequest<'a> {
    /// Same for all repeats.
    pub transaction: TransactionId,
    /// `theirs:ours`.
    pub username: &'a str,
    /// PRIORITY that a peer-reflexive candidate discovered by this check would have.
    pub priority: u32,
    /// Our role and tie-breaker.
    pub role: ClaimedRole,
    /// Nominates.
    pub use_candidate: bool,
}

impl<'a> BindingMessage<'a> {
    /// Reads a datagram whose first byte is 0 to 3.
    ///
    /// # Errors
    /// [`PacketDrop::StunMalformed`] or [`PacketDrop::StunFingerprint`].
    pub fn decode(bytes: &'a [u8]) -> Result<Self, PacketDrop> {
        let mut message = Self::header(bytes).ok_or(PacketDrop::StunMalformed)?;
        let mut at = HEADER;
        for _ in 0..=MAX_ATTRIBUTES {
            if at == bytes.len() {
                break;
            }
            let kind = be16(bytes, at).ok_or(PacketDrop::StunMalformed)?;
            let length = usize::from(be16(bytes, at + 2).ok_or(PacketDrop::StunMalformed)?);
            let value = bytes.get(at + 4..at + 4 + length).ok_or(PacketDrop::StunMalformed)?;
            if kind == FINGERPRINT_TYPE {
                return message.with_fingerprint(at, value);
            }
            if message.integrity_at.is_none() {
                message.attribute(kind, value, at).ok_or(PacketDrop::StunMalformed)?;
            }
            at += 4 + length.next_multiple_of(4);
            if at > bytes.len() {
                return Err(PacketDrop::StunMalformed);
            }
        }
        Err(if at == bytes.len() { PacketDrop::StunFingerprint } else { PacketDrop::StunMalformed })
    }

    /// The two halves of USERNAME.
    pub fn fragments(&self) -> Option<(&'a [u8], &'a [u8])> {
        let username = self.username?;
        let colon = username.iter().position(|byte| *byte == b':')?;
        Some((username.get(..colon)?, username.get(colon + 1..)?))
    }

    /// Whether MESSAGE-INTEGRITY is right for `password`, compared in constant time.
    pub fn is_authentic(&self, password: &str) -> bool {
        let Some(at) = self.integrity_at else { return false };
        let (Some(covered), Some(claimed)) = (self.bytes.get(..at), self.bytes.get(at + 4..at + INTEGRITY))
        else {
            return false;
        };
        integrity(covered, password).as_ref().ct_eq(claimed).into()
    }

    fn header(bytes: &'a [u8]) -> Option<Self> {
        if bytes.get(4..8)? != MAGIC_COOKIE || usize::from(be16(bytes, 2)?) + HEADER != bytes.len() {
            return None;
        }
        let class = match be16(bytes, 0)? {
            REQUEST => BindingClass::Request,
            INDICATION => BindingClass::Indication,
            SUCCESS => BindingClass::Success,
            ERROR => BindingClass::Error(0),
            _ => return None,
        };
        Some(Self {
            bytes,
            class,
            transaction: TransactionId(bytes.get(8..HEADER)?.try_into().ok()?),
            username: None,
            priority: None,
            use_candidate: false,
            role: None,
            mapped: None,
            unknown: heapless::Vec::new(),
            integrity_at: None,
        })
    }

    fn attribute(&mut self, kind: u16, value: &'a [u8], at: usize) -> Option<()> {
        match kind {
            USERNAME => self.username = Some(value),
            MESSAGE_INTEGRITY if value.len() + 4 == INTEGRITY => self.integrity_at = Some(at),
            MESSAGE_INTEGRITY => return None,
            PRIORITY => self.priority = Some(u32::from_be_bytes(value.try_into().ok()?)),
            USE_CANDIDATE => self.use_candidate = true,
            ICE_CONTROLLING => {
                self.role = Some(ClaimedRole::Controlling(u64::from_be_bytes(value.try_into().ok()?)));
            }
            ICE_CONTROLLED => {
                self.role = Some(ClaimedRole::Controlled(u64::from_be_bytes(value.try_into().ok()?)));
            }
            XOR_MAPPED_ADDRESS => self.mapped = Some(unmask(value, self.transaction)?),
            ERROR_CODE => {
                let [_, _, class, number, ..] = *value else { return None };
                if let BindingClass::Error(code) = &mut self.class {
                    *code = u16::from(class & 7) * 100 + u16::from(number);
                }
            }
            UNKNOWN_ATTRIBUTES => {}
            _ if kind < 0x8000 && !TOLERATED.contains(&kind) && !self.unknown.is_full() => {
                self.unknown.push(kind).ok()?;
            }
            _ => {}
        }
        Some(())
    }

    /// FINGERPRINT is the last attribute and covers everything before it (RFC 8489 §14.7).
    fn with_fingerprint(self, at: usize, value: &[u8]) -> Result<Self, PacketDrop> {
        let covered = self.bytes.get(..at).ok_or(PacketDrop::StunMalformed)?;
        let right = (crc32(covered) ^ FINGERPRINT_XOR).to_be_bytes();
        if at + FINGERPRINT == self.bytes.len() && value == right {
            Ok(self)
        } else {
            Err(PacketDrop::StunFingerprint)
        }
    }
}

/// Whether the first byte is STUN's (RFC 7983 §7).
pub fn is_stun(first: u8) -> bool {
    first <= 3
}

/// A success response to `transaction`, saying that the request came from `mapped`.
pub fn success_response(transaction: TransactionId, mapped: SocketAddr, password: &str) -> Vec<u8> {
    let mut message = start(SUCCESS, transaction);
    put(&mut message, XOR_MAPPED_ADDRESS, &mask(mapped, transaction));
    seal(message, password)
}

/// Refuses a request: 487 for a role conflict, 420 with the attributes not understood.
pub fn error_response(transaction: TransactionId, code: u16, unknown: &[u16], password: &str) -> Vec<u8> {
    let mut message = start(ERROR, transaction);
    put(&mut message, ERROR_CODE, &[0, 0, (code / 100) as u8, (code % 100) as u8]);
    if !unknown.is_empty() {
        let kinds: Vec<u8> = unknown.iter().flat_map(|kind| kind.to_be_bytes()).collect();
        put(&mut message, UNKNOWN_ATTRIBUTES, &kinds);
    }
    seal(message, password)
}

/// A connectivity or consent check, keyed with the peer's password.
pub fn check_request(check: &CheckRequest<'_>, password: &str) -> Vec<u8> {
    let mut message = start(REQUEST, check.transaction);
    put(&mut message, USERNAME, check.username.as_bytes());
    put(&mut message, PRIORITY, &check.priority.to_be_bytes());
    match check.role {
        ClaimedRole::Controlling(tie) => put(&mut message, ICE_CONTROLLING, &tie.to_be_bytes()),
        ClaimedRole::Controlled(tie) => put(&mut message, ICE_CONTROLLED, &tie.to_be_bytes()),
    }
    if check.use_candidate {
        put(&mut message, USE_CANDIDATE, &[]);
    }
    seal(message, password)
}

fn start(kind: u16, transaction: TransactionId) -> Vec<u8> {
    let mut message = Vec::with_capacity(128);
    message.extend_from_slice(&kind.to_be_bytes());
    message.extend_from_slice(&[0, 0]);
    message.extend_from_slice(&MAGIC_COOKIE);
    message.extend_from_slice(&transaction.0);
    message
}

fn put(message: &mut Vec<u8>, kind: u16, value: &[u8]) {
    message.extend_from_slice(&kind.to_be_bytes());
    message.extend_from_slice(&(value.len() as u16).to_be_bytes());
    message.extend_from_slice(value);
    message.resize(message.len().next_multiple_of(4), 0);
}

/// Appends MESSAGE-INTEGRITY and FINGERPRINT, and writes the length.
fn seal(mut message: Vec<u8>, password: &str) -> Vec<u8> {
    let tag = integrity(&message, password);
    put(&mut message, MESSAGE_INTEGRITY, tag.as_ref());
    let length = (message.len() - HEADER + FINGERPRINT) as u16;
    message.splice(2..4, length.to_be_bytes());
    let crc = crc32(&message) ^ FINGERPRINT_XOR;
    put(&mut message, FINGERPRINT_TYPE, &crc.to_be_bytes());
    message
}

/// HMAC-SHA1 over `covered`, its length field reaching to the end of MESSAGE-INTEGRITY (RFC 8489 §14.5).
fn integrity(covered: &[u8], password: &str) -> hmac::Tag {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes());
    let mut mac = hmac::Context::with_key(&key);
    let length = (covered.len().saturating_sub(HEADER) + INTEGRITY) as u16;
    mac.update(covered.get(..2).unwrap_or_default());
    mac.update(&length.to_be_bytes());
    mac.update(covered.get(4..).unwrap_or_default());
    mac.sign()
}

/// XOR-MAPPED-ADDRESS's value for `address` (RFC 8489 §14.2).
fn mask(address: SocketAddr, transaction: TransactionId) -> Vec<u8> {
    let port = address.port().to_be_bytes();
    let mut value = vec![0, 0, port[0] ^ MAGIC_COOKIE[0], port[1] ^ MAGIC_COOKIE[1]];
    let pad = MAGIC_COOKIE.into_iter().chain(transaction.0);
    match address.ip() {
        IpAddr::V4(ip) => value.extend(ip.octets().into_iter().zip(pad).map(|(a, b)| a ^ b)),
        IpAddr::V6(ip) => value.extend(ip.octets().into_iter().zip(pad).map(|(a, b)| a ^ b)),
    }
    value[1] = if address.is_ipv4() { 1 } else { 2 };
    value
}

fn unmask(value: &[u8], transaction: TransactionId) -> Option<SocketAddr> {
    let port = be16(value, 2)? ^ 0x2112;
    let pad = MAGIC_COOKIE.into_iter().chain(transaction.0);
    let plain: heapless::Vec<u8, 16> = value.get(4..)?.iter().zip(pad).map(|(a, b)| a ^ b).collect();
    let ip = match (value.get(1)?, value.len()) {
        (1, 8) => IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(plain.as_slice()).ok()?)),
        (2, 20) => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(plain.as_slice()).ok()?)),
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

const CRC_TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut value = index as u32;
        let mut bit = 0;
        while bit < 8 {
            value = (value >> 1) ^ (0xEDB8_8320 * (value & 1));
            bit += 1;
        }
        table[index] = value;
        index += 1;
    }
    table
};

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| (crc >> 8) ^ CRC_TABLE[usize::from(crc as u8 ^ byte)])
}

#[cfg(test)]
#[path = "stun_tests.rs"]
mod tests;

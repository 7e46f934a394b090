//! What must be known of a DTLS datagram before the handshake library sees it (RFC 6347 §4.1, §4.2).
//!
//! Only framing is read, and of an unprotected ClientHello its random and its `use_srtp` profiles.

use crate::media::srtp::SrtpProfile;

const RECORD_HEADER: usize = 13;
const HANDSHAKE_HEADER: usize = 12;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
pub(super) const HELLO_VERIFY_REQUEST: u8 = 3;
const USE_SRTP: u16 = 14;
const FATAL: u8 = 2;

/// What a datagram carries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Summary {
    /// Any handshake record, protected or not.
    pub(super) handshake: bool,
    /// Any alert record.
    pub(super) alert: bool,
    /// The description of an unprotected fatal alert.
    pub(super) plain_fatal_alert: Option<u8>,
    /// The first unprotected handshake message's type.
    pub(super) first_message: Option<u8>,
    /// The highest sequence number among unprotected handshake messages.
    pub(super) highest_sequence: Option<u16>,
    /// Its ClientHello, if it has one and the fields asked for are in this fragment.
    pub(super) hello: Option<ClientHello>,
}

/// The parts of a ClientHello that we look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ClientHello {
    /// The client's random: another one means another handshake.
    pub(super) random: [u8; 32],
    /// The offered SRTP profiles that we know; `None` if the extensions are not all here.
    pub(super) profiles: Option<heapless::Vec<SrtpProfile, 4>>,
}

/// Whether the first byte is DTLS's (RFC 7983 §7).
pub(in super::super) fn is_dtls(first: u8) -> bool {
    (20..=63).contains(&first)
}

/// Walks the datagram's records; `None` if the framing is broken.
pub(super) fn summarize(datagram: &[u8]) -> Option<Summary> {
    let mut summary = Summary::default();
    let mut rest = datagram;
    while !rest.is_empty() {
        let (header, after) = rest.split_at_checked(RECORD_HEADER)?;
        let (kind, epoch) = (*header.first()?, be16(header, 3)?);
        let (body, next) = after.split_at_checked(usize::from(be16(header, 11)?))?;
        if body.is_empty() || !is_dtls(kind) {
            return None;
        }
        match kind {
            HANDSHAKE => {
                summary.handshake = true;
                if epoch == 0 {
                    handshake(body, &mut summary)?;
                }
            }
            ALERT => {
                summary.alert = true;
                if let (0, [FATAL, description]) = (epoch, body) {
                    summary.plain_fatal_alert = Some(*description);
                }
            }
            _ => {}
        }
        rest = next;
    }
    (!datagram.is_empty()).then_some(summary)
}

fn handshake(mut body: &[u8], summary: &mut Summary) -> Option<()> {
    while !body.is_empty() {
        let (header, after) = body.split_at_checked(HANDSHAKE_HEADER)?;
        let (kind, sequence) = (*header.first()?, be16(header, 4)?);
        let (offset, length) = (be24(header, 6)?, be24(header, 9)?);
        let (fragment, next) = after.split_at_checked(length)?;
        summary.first_message.get_or_insert(kind);
        summary.highest_sequence = summary.highest_sequence.max(Some(sequence));
        if kind == CLIENT_HELLO && offset == 0 {
            summary.hello = client_hello(fragment);
        }
        body = next;
    }
    Some(())
}

fn client_hello(body: &[u8]) -> Option<ClientHello> {
    let random = body.get(2..34)?.try_into().ok()?;
    Some(ClientHello { random, profiles: offered_profiles(body.get(34..)?) })
}

/// Session id, cookie, cipher suites, compression methods, then extensions.
fn offered_profiles(body: &[u8]) -> Option<heapless::Vec<SrtpProfile, 4>> {
    let after_id = body.get(1 + usize::from(*body.first()?)..)?;
    let after_cookie = after_id.get(1 + usize::from(*after_id.first()?)..)?;
    let after_suites = after_cookie.get(2 + usize::from(be16(after_cookie, 0)?)..)?;
    let after_compression = after_suites.get(1 + usize::from(*after_suites.first()?)..)?;
    let mut extensions = after_compression.get(2..)?;
    if extensions.len() < usize::from(be16(after_compression, 0)?) {
        return None;
    }
    let mut profiles = heapless::Vec::new();
    while !extensions.is_empty() {
        let (kind, length) = (be16(extensions, 0)?, usize::from(be16(extensions, 2)?));
        let value = extensions.get(4..4 + length)?;
        if kind == USE_SRTP {
            let listed = value.get(2..2 + usize::from(be16(value, 0)?))?;
            let known =
                listed.chunks_exact(2).filter_map(|pair| SrtpProfile::from_dtls_number(be16(pair, 0)?));
            profiles = known.take(4).collect();
        }
        extensions = extensions.get(4 + length..)?;
    }
    Some(profiles)
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn be24(bytes: &[u8], at: usize) -> Option<usize> {
    bytes.get(at..at + 3).map(|b| b.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A record of `kind` and `epoch` around `body`.
    fn record(kind: u8, epoch: u16, body: &[u8]) -> Vec<u8> {
        let mut made = vec![kind, 0xFE, 0xFD];
        made.extend_from_slice(&epoch.to_be_bytes());
        made.extend_from_slice(&[0; 6]);
        made.extend_from_slice(&(body.len() as u16).to_be_bytes());
        made.extend_from_slice(body);
        made
    }

    fn message(kind: u8, sequence: u8, body: &[u8]) -> Vec<u8> {
        let length = body.len() as u8;
        let mut made = vec![kind, 0, 0, length, 0, sequence, 0, 0, 0, 0, 0, length];
        made.extend_from_slice(body);
        made
    }

    fn hello(profiles: &[u8]) -> Vec<u8> {
        let mut body = vec![0xFE, 0xFD];
        body.extend_from_slice(&[9; 32]);
        body.extend_from_slice(&[0, 0, 0, 2, 0xC0, 0x2B, 1, 0]);
        let length = profiles.len() as u8;
        body.extend_from_slice(&[0, 11 + length, 0, 23, 0, 0, 0, 14, 0, 3 + length, 0, length]);
        body.extend_from_slice(profiles);
        body.push(0);
        body
    }

    #[test]
    fn a_client_hello_shows_its_random_and_profiles() {
        let datagram = record(22, 0, &message(1, 0, &hello(&[0, 1, 0, 7, 0, 99])));
        let summary = summarize(&datagram).unwrap();
        assert_eq!((summary.first_message, summary.highest_sequence), (Some(1), Some(0)));
        let hello = summary.hello.unwrap();
        assert_eq!(hello.random, [9; 32]);
        let profiles = hello.profiles.unwrap();
        assert_eq!(profiles.as_slice(), [SrtpProfile::AesCm128HmacSha1_80, SrtpProfile::AeadAes128Gcm]);
    }

    #[test]
    fn a_first_fragment_shows_the_random_only() {
        let whole = hello(&[0, 7]);
        let datagram = record(22, 0, &message(1, 0, &whole[..40]));
        assert_eq!(summarize(&datagram).unwrap().hello.unwrap().profiles, None);
    }

    #[test]
    fn alerts_and_protected_records_are_told_apart() {
        let plain = summarize(&record(21, 0, &[2, 42])).unwrap();
        assert_eq!((plain.alert, plain.plain_fatal_alert), (true, Some(42)));
        assert_eq!(summarize(&record(21, 1, &[2, 42])).unwrap().plain_fatal_alert, None);
        let finished = summarize(&record(22, 1, &[1; 40])).unwrap();
        assert!(finished.handshake && finished.first_message.is_none());
    }

    #[test]
    fn broken_framing_is_noticed() {
        let whole = record(22, 0, &message(1, 0, &hello(&[0, 7])));
        assert!((0..whole.len()).all(|cut| summarize(&whole[..cut]).is_none()));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            let _ = summarize(&bytes);
            let _ = summarize(&record(22, 0, &message(1, 0, &bytes)));
        }
    }
}

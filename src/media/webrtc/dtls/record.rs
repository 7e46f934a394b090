//! What must be known of a DTLS datagram before the handshake library sees it (RFC 6347 §4.1, §4.2).
//!
//! Only framing is read, and of an unprotected ClientHello its random and its `use_srtp` profiles.

use crate::media::srtp::SrtpProfile;

const RECORD_HEADER: usize = 13;
const HANDSHAKE_HEADER: usize = 12;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
pub(super) const CLIENT_HELLO: u8 = 1;
pub(super) const HELLO_VERIFY_REQUEST: u8 = 3;
const USE_SRTP: u16 = 14;
const FATAL: u8 = 2;
/// A ClientHello longer than this is not looked into.
const MAX_HELLO: usize = 8 * 1024;

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
    /// The random of a ClientHello that begins in this datagram: another one means another handshake.
    pub(super) hello_random: Option<[u8; 32]>,
}

/// The parts of a ClientHello that we look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ClientHello {
    /// The client's random.
    pub(super) random: [u8; 32],
    /// The offered SRTP profiles that we know.
    pub(super) profiles: heapless::Vec<SrtpProfile, 4>,
}

/// A piece of an unprotected handshake message.
struct Fragment<'a> {
    kind: u8,
    sequence: u16,
    total: usize,
    offset: usize,
    bytes: &'a [u8],
}

/// Whether the first byte is DTLS's (RFC 7983 §7).
pub(in super::super) fn is_dtls(first: u8) -> bool {
    (20..=63).contains(&first)
}

/// Walks the datagram's records; `None` if the framing is broken.
pub(super) fn summarize(datagram: &[u8]) -> Option<Summary> {
    let mut summary = Summary::default();
    walk(datagram, |kind, epoch, body| {
        match (kind, epoch, body) {
            (HANDSHAKE, ..) => summary.handshake = true,
            (ALERT, 0, [FATAL, description]) => summary.plain_fatal_alert = Some(*description),
            _ => {}
        }
        summary.alert |= kind == ALERT;
    })?;
    fragments(datagram, |fragment| {
        summary.first_message.get_or_insert(fragment.kind);
        summary.highest_sequence = summary.highest_sequence.max(Some(fragment.sequence));
        if fragment.kind == CLIENT_HELLO && fragment.offset == 0 {
            summary.hello_random = fragment.bytes.get(2..34).and_then(|random| random.try_into().ok());
        }
    })?;
    (!datagram.is_empty()).then_some(summary)
}

/// The latest ClientHello in these datagrams, put together if it came in pieces; `None` while one is missing.
/// Browsers' hellos outgrow a datagram since they carry post-quantum key shares.
pub(super) fn assemble_hello(datagrams: &[Vec<u8>]) -> Option<ClientHello> {
    let mut latest = None;
    let mut message = Vec::new();
    let mut there = Vec::new();
    for datagram in datagrams {
        fragments(datagram, |piece| {
            if piece.kind != CLIENT_HELLO || piece.total > MAX_HELLO || Some(piece.sequence) < latest {
                return;
            }
            if latest != Some(piece.sequence) || message.len() != piece.total {
                latest = Some(piece.sequence);
                (message, there) = (vec![0; piece.total], vec![false; piece.total]);
            }
            let range = piece.offset..piece.offset + piece.bytes.len();
            if let (Some(to), Some(seen)) = (message.get_mut(range.clone()), there.get_mut(range)) {
                to.copy_from_slice(piece.bytes);
                seen.fill(true);
            }
        })?;
    }
    if !there.iter().all(|seen| *seen) {
        return None;
    }
    let random = message.get(2..34)?.try_into().ok()?;
    Some(ClientHello { random, profiles: offered_profiles(message.get(34..)?)? })
}

/// Shows each record's type, epoch and body.
fn walk<'a>(mut rest: &'a [u8], mut see: impl FnMut(u8, u16, &'a [u8])) -> Option<()> {
    while !rest.is_empty() {
        let (header, after) = rest.split_at_checked(RECORD_HEADER)?;
        let kind = *header.first()?;
        let (body, next) = after.split_at_checked(usize::from(be16(header, 11)?))?;
        if body.is_empty() || !is_dtls(kind) {
            return None;
        }
        see(kind, be16(header, 3)?, body);
        rest = next;
    }
    Some(())
}

/// Shows each piece of an unprotected handshake message.
fn fragments<'a>(datagram: &'a [u8], mut see: impl FnMut(Fragment<'a>)) -> Option<()> {
    let mut sound = Some(());
    walk(datagram, |kind, epoch, mut body| {
        while kind == HANDSHAKE && epoch == 0 && !body.is_empty() && sound.is_some() {
            sound = fragment(body).map(|(piece, rest)| {
                body = rest;
                see(piece);
            });
        }
    })?;
    sound
}

fn fragment(body: &[u8]) -> Option<(Fragment<'_>, &[u8])> {
    let (header, after) = body.split_at_checked(HANDSHAKE_HEADER)?;
    let (bytes, rest) = after.split_at_checked(be24(header, 9)?)?;
    let (total, offset) = (be24(header, 1)?, be24(header, 6)?);
    let piece = Fragment { kind: *header.first()?, sequence: be16(header, 4)?, total, offset, bytes };
    Some((piece, rest))
}

/// Session id, cookie, cipher suites, compression methods, then extensions.
fn offered_profiles(body: &[u8]) -> Option<heapless::Vec<SrtpProfile, 4>> {
    let after_id = body.get(1 + usize::from(*body.first()?)..)?;
    let after_cookie = after_id.get(1 + usize::from(*after_id.first()?)..)?;
    let after_suites = after_cookie.get(2 + usize::from(be16(after_cookie, 0)?)..)?;
    let after_compression = after_suites.get(1 + usize::from(*after_suites.first()?)..)?;
    let mut extensions = after_compression.get(2..)?;
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
        piece(kind, sequence, body, 0..body.len())
    }

    fn piece(kind: u8, sequence: u8, body: &[u8], range: std::ops::Range<usize>) -> Vec<u8> {
        let (total, offset, length) = (body.len() as u8, range.start as u8, range.len() as u8);
        let mut made = vec![kind, 0, 0, total, 0, sequence, 0, 0, offset, 0, 0, length];
        made.extend_from_slice(&body[range]);
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
        assert_eq!(summary.hello_random, Some([9; 32]));
        let hello = assemble_hello(&[datagram]).unwrap();
        assert_eq!(hello.random, [9; 32]);
        assert_eq!(hello.profiles.as_slice(), [SrtpProfile::AesCm128HmacSha1_80, SrtpProfile::AeadAes128Gcm]);
    }

    #[test]
    fn a_hello_in_pieces_is_put_together_in_any_order() {
        let whole = hello(&[0, 7]);
        let pieces: Vec<_> =
            [0..40, 30..50, 50..whole.len()].map(|range| record(22, 0, &piece(1, 0, &whole, range))).into();
        assert_eq!(assemble_hello(&pieces[..2]), None);
        assert_eq!(assemble_hello(&[pieces[0].clone(), pieces[2].clone()]), None);
        for order in [[0, 1, 2], [2, 0, 1], [1, 2, 0]] {
            let datagrams = order.map(|n| pieces[n].clone());
            assert_eq!(assemble_hello(&datagrams).unwrap().profiles.as_slice(), [SrtpProfile::AeadAes128Gcm]);
        }
        assert_eq!(summarize(&pieces[1]).unwrap().hello_random, None);
    }

    #[test]
    fn of_two_hellos_the_later_counts() {
        let (first, second) = (message(1, 0, &hello(&[0, 7])), message(1, 1, &hello(&[0, 1])));
        let datagrams = [record(22, 0, &second), record(22, 0, &first)];
        let hello = assemble_hello(&datagrams).unwrap();
        assert_eq!(hello.profiles.as_slice(), [SrtpProfile::AesCm128HmacSha1_80]);
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
            let _ = summarize(&record(22, 0, &bytes));
            let _ = assemble_hello(&[record(22, 0, &bytes), record(22, 0, &message(1, 0, &bytes))]);
        }
    }
}

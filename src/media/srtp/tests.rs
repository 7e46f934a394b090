//! SRTP against published vectors, and the rules of its contexts.

use super::gcm::AesGcm;
use super::suite::Suite;
use super::*;
use crate::media::DropReason;
use crate::media::packet::Packet;
use crate::media::rtp::{RtpHeader, Ssrc};

/// Bytes from hexadecimal text; blanks are skipped.
pub(super) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        text.chars().filter_map(|c| c.to_digit(16)).map(|d| u8::try_from(d).unwrap()).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn packet(bytes: &[u8]) -> Packet {
    let mut packet = Packet::new();
    assert!(packet.fill(bytes));
    packet
}

fn key(profile: SrtpProfile, seed: u8) -> SrtpKey {
    let joined: Vec<u8> =
        (0..profile.key_length() + profile.salt_length()).map(|i| seed ^ u8::try_from(i).unwrap()).collect();
    SrtpKey::from_joined(profile, &joined).unwrap()
}

fn rtp(ssrc: u32, sequence: u16, payload: &[u8]) -> Packet {
    let [s0, s1] = sequence.to_be_bytes();
    let mut bytes = vec![0x80, 0, s0, s1, 0, 0, 0, 1];
    bytes.extend(ssrc.to_be_bytes());
    bytes.extend(payload);
    packet(&bytes)
}

fn protect(sender: &mut SrtpSender, packet: &mut Packet) -> Result<(), DropReason> {
    let header = RtpHeader::parse(packet.as_slice()).unwrap();
    sender.protect_rtp(packet, &header)
}

fn unprotect(receiver: &mut SrtpReceiver, packet: &mut Packet) -> Result<(), DropReason> {
    let header = RtpHeader::parse(packet.as_slice()).unwrap();
    receiver.unprotect_rtp(packet, &header)
}

/// RFC 3711 appendix B.2: the AES-CM key stream, seen by encrypting zeros.
#[test]
fn the_counter_mode_key_stream_is_that_of_rfc_3711() {
    use cipher::{InnerIvInit, KeyInit, StreamCipher};
    let aes = aes::Aes128::new_from_slice(&hex("2B7E151628AED2A6ABF7158809CF4F3C")).unwrap();
    let iv: [u8; 16] = hex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD0000").try_into().unwrap();
    let core = ctr::CtrCore::<&aes::Aes128, ctr::flavors::Ctr128BE>::inner_iv_init(&aes, &iv.into());
    let mut stream = [0; 48];
    cipher::StreamCipherCoreWrapper::from_core(core).apply_keystream(&mut stream);
    let want =
        "E03EAD0935C95E80E166B16DD92B4EB4 D23513162B02D0F72A43A2FE4A5F97AB 41E95B3BB0A2E8DD477901E4FCA894C0";
    assert_eq!(stream[..], hex(want));
}

/// The reference packets of libsrtp for AES_CM_128_HMAC_SHA1_80, made from RFC 3711's master key.
#[test]
fn counter_mode_packets_are_those_of_the_reference_library() {
    let master = || {
        let joined = hex("e1f97a0d3e018be0d64fa32c06de4139 0ec675ad498afeebb6960b3aabe6");
        SrtpKey::from_joined(SrtpProfile::AesCm128HmacSha1_80, &joined).unwrap()
    };
    let plain = hex("800f1234decafbadcafebabe abababababababababababababababab");
    let sealed = hex("800f1234decafbadcafebabe 4e55dc4ce79978d88ca4d215949d2402 b78d6acc99ea179b8dbb");
    let mut sender = SrtpSender::new(master());
    let mut wire = packet(&plain);
    protect(&mut sender, &mut wire).unwrap();
    assert_eq!(wire.as_slice(), sealed);
    let mut receiver = SrtpReceiver::new(master());
    unprotect(&mut receiver, &mut wire).unwrap();
    assert_eq!(wire.as_slice(), plain);

    let plain = hex("81c8000bcafebabe abababababababababababababababab");
    let sealed = hex("81c8000bcafebabe 7128035be487b9bdbef89041f977a5a8 80000001 993e08cd54d6c1230798");
    let mut wire = packet(&plain);
    sender.protect_rtcp(&mut wire).unwrap();
    assert_eq!(wire.as_slice(), sealed);
    receiver.unprotect_rtcp(&mut wire).unwrap();
    assert_eq!(wire.as_slice(), plain);
}

const GCM_SALT: &str = "517569642070726f2071756f";
const GCM_KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

fn gcm_suite(key_length: usize) -> Suite {
    let session =
        || Box::new(AesGcm::from_session(&hex(GCM_KEY)[..key_length], hex(GCM_SALT).try_into().unwrap()));
    Suite::Gcm { rtp: session(), rtcp: session() }
}

/// RFC 7714 §16.1 and §16.2.
#[test]
fn gcm_rtp_packets_are_those_of_rfc_7714() {
    let plain = hex(
        "8040f17b8041f8d35501a0b2 47616c6c696120657374206f6d6e69732064697669736120696e2070617274657320747265 73",
    );
    for (key_length, sealed) in [
        (
            16,
            "8040f17b8041f8d35501a0b2 f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833 899d7f27beb16a9152cf765ee4390cce",
        ),
        (
            32,
            "8040f17b8041f8d35501a0b2 32b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b 7aa3db36dfffd6b0f9bb7878d7a76c13",
        ),
    ] {
        let suite = gcm_suite(key_length);
        let mut wire = packet(&plain);
        suite.seal_rtp(&mut wire, 12, Ssrc(0x5501_a0b2), 0xf17b).unwrap();
        assert_eq!(wire.as_slice(), hex(sealed));
        suite.open_rtp(&mut wire, 12, Ssrc(0x5501_a0b2), 0xf17b).unwrap();
        assert_eq!(wire.as_slice(), plain);
    }
}

/// RFC 7714 §17.1, §17.2 and (not encrypted, refused here) §17.3.
#[test]
fn gcm_rtcp_packets_are_those_of_rfc_7714() {
    let plain = hex(
        "81c8000d4d617273 4e5450314e545032525450200000042a0000e9304c756e61deadbeefdeadbeefdeadbeefdeadbeefdeadbeef",
    );
    for (key_length, sealed) in [
        (
            16,
            "81c8000d4d617273 63e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda4ce09b4686303ded0bb9275bc84aa45896cf4d2fc5abf87245d9eade 800005d4",
        ),
        (
            32,
            "81c8000d4d617273 d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50a2eaa5c1110555be8415f658c61de0476f1b6fad1d1eb30c4446839f57ff6f6cb26ac3be 800005d4",
        ),
    ] {
        let suite = gcm_suite(key_length);
        let mut wire = packet(&plain);
        suite.seal_rtcp(&mut wire, Ssrc(0x4d61_7273), 0x5d4).unwrap();
        assert_eq!(wire.as_slice(), hex(sealed));
        assert_eq!(suite.rtcp_index(&wire), Some(0x5d4));
        suite.open_rtcp(&mut wire, Ssrc(0x4d61_7273), 0x5d4).unwrap();
        assert_eq!(wire.as_slice(), plain);
    }
    let in_clear = packet(&hex(
        "81c8000d4d617273 4e5450314e545032525450200000042a0000e9304c756e61deadbeefdeadbeefdeadbeefdeadbeefdeadbeef 841dd9683dd78ec92ae58790125f62b3 000005d4",
    ));
    assert_eq!(gcm_suite(16).rtcp_index(&in_clear), None);
}

#[test]
fn every_profile_opens_what_it_protects_and_nothing_that_was_changed() {
    for profile in SrtpProfile::PREFERRED {
        let mut sender = SrtpSender::new(key(profile, 1));
        let mut receiver = SrtpReceiver::new(key(profile, 1));
        let mut stranger = SrtpReceiver::new(key(profile, 2));
        let mut wire = rtp(7, 100, &[5; 160]);
        protect(&mut sender, &mut wire).unwrap();
        assert_ne!(wire.as_slice()[12..], [5; 160][..]);
        for at in 0..wire.len() {
            let mut changed = wire.clone();
            changed.as_mut_slice()[at] ^= 0x01;
            let Some(header) = RtpHeader::parse(changed.as_slice()) else { continue };
            assert!(receiver.unprotect_rtp(&mut changed, &header).is_err(), "{profile:?} byte {at}");
        }
        assert_eq!(unprotect(&mut stranger, &mut wire.clone()), Err(DropReason::AuthFailed));
        let mut again = wire.clone();
        unprotect(&mut receiver, &mut wire).unwrap();
        assert_eq!(wire.as_slice()[12..], [5; 160][..]);
        assert_eq!(unprotect(&mut receiver, &mut again), Err(DropReason::Replayed));
    }
}

#[test]
fn rtcp_is_opened_once_and_only_unchanged() {
    for profile in SrtpProfile::PREFERRED {
        let mut sender = SrtpSender::new(key(profile, 1));
        let mut receiver = SrtpReceiver::new(key(profile, 1));
        let plain = hex("80c90001 00000007");
        let mut wire = packet(&plain);
        sender.protect_rtcp(&mut wire).unwrap();
        for at in 0..wire.len() {
            let mut changed = wire.clone();
            changed.as_mut_slice()[at] ^= 0x80;
            assert!(receiver.unprotect_rtcp(&mut changed).is_err(), "{profile:?} byte {at}");
        }
        for length in 0..wire.len() {
            let mut short = wire.clone();
            short.truncate(length);
            assert!(receiver.unprotect_rtcp(&mut short).is_err());
        }
        let mut again = wire.clone();
        receiver.unprotect_rtcp(&mut wire).unwrap();
        assert_eq!(wire.as_slice(), plain);
        assert_eq!(receiver.unprotect_rtcp(&mut again), Err(DropReason::Replayed));
    }
}

#[test]
fn a_short_packet_is_malformed() {
    for profile in SrtpProfile::PREFERRED {
        let mut receiver = SrtpReceiver::new(key(profile, 1));
        assert_eq!(unprotect(&mut receiver, &mut rtp(1, 1, &[0; 3])), Err(DropReason::Malformed));
    }
}

#[test]
fn streams_roll_over_and_keep_in_step() {
    let profile = SrtpProfile::AeadAes128Gcm;
    let mut sender = SrtpSender::new(key(profile, 1));
    let mut receiver = SrtpReceiver::new(key(profile, 1));
    for sequence in (60_000..=u16::MAX).chain(0..=u16::MAX).chain(0..100) {
        let mut wire = rtp(7, sequence, b"audio");
        protect(&mut sender, &mut wire).unwrap();
        unprotect(&mut receiver, &mut wire).unwrap();
    }
}

#[test]
fn a_sender_never_uses_an_index_twice() {
    let mut sender = SrtpSender::new(key(SrtpProfile::AeadAes256Gcm, 1));
    protect(&mut sender, &mut rtp(7, 10, b"one")).unwrap();
    assert_eq!(protect(&mut sender, &mut rtp(7, 10, b"two")), Err(DropReason::Replayed));
    protect(&mut sender, &mut rtp(7, 9, b"late")).unwrap();
}

#[test]
fn of_many_streams_the_one_silent_for_longest_makes_way() {
    let profile = SrtpProfile::AesCm128HmacSha1_80;
    let mut receiver = SrtpReceiver::new(key(profile, 1));
    let sealed = |ssrc, sequence| {
        let mut wire = rtp(ssrc, sequence, b"x");
        protect(&mut SrtpSender::new(key(profile, 1)), &mut wire).unwrap();
        wire
    };
    for ssrc in 0..5 {
        unprotect(&mut receiver, &mut sealed(ssrc, 1)).unwrap();
    }
    assert_eq!(unprotect(&mut receiver, &mut sealed(1, 1)), Err(DropReason::Replayed));
    assert_eq!(unprotect(&mut receiver, &mut sealed(4, 1)), Err(DropReason::Replayed));
    assert_eq!(unprotect(&mut receiver, &mut sealed(0, 1)), Ok(()), "forgotten: it was the oldest");
}

#[test]
fn contexts_print_no_key() {
    let sender = SrtpSender::new(key(SrtpProfile::AeadAes128Gcm, 0x41));
    assert!(format!("{sender:?}").contains("<redacted>"));
}

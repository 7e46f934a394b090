use proptest::prelude::*;

use super::*;

const PASSWORD: &str = "VOkJxbRl1RmTxUk/WvJxBt";
const TRANSACTION: TransactionId = TransactionId([7; 12]);

/// RFC 5769 §2.1: a request with SOFTWARE, PRIORITY, ICE-CONTROLLED, USERNAME, MESSAGE-INTEGRITY, FINGERPRINT.
const RFC5769_REQUEST: [u8; 108] = [
    0x00, 0x01, 0x00, 0x58, 0x21, 0x12, 0xa4, 0x42, 0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa,
    0x87, 0xdf, 0xae, 0x80, 0x22, 0x00, 0x10, 0x53, 0x54, 0x55, 0x4e, 0x20, 0x74, 0x65, 0x73, 0x74, 0x20,
    0x63, 0x6c, 0x69, 0x65, 0x6e, 0x74, 0x00, 0x24, 0x00, 0x04, 0x6e, 0x00, 0x01, 0xff, 0x80, 0x29, 0x00,
    0x08, 0x93, 0x2f, 0xf9, 0xb1, 0x51, 0x26, 0x3b, 0x36, 0x00, 0x06, 0x00, 0x09, 0x65, 0x76, 0x74, 0x6a,
    0x3a, 0x68, 0x36, 0x76, 0x59, 0x20, 0x20, 0x20, 0x00, 0x08, 0x00, 0x14, 0x9a, 0xea, 0xa7, 0x0c, 0xbf,
    0xd8, 0xcb, 0x56, 0x78, 0x1e, 0xf2, 0xb5, 0xb2, 0xd3, 0xf2, 0x49, 0xc1, 0xb5, 0x71, 0xa2, 0x80, 0x28,
    0x00, 0x04, 0xe5, 0x7a, 0x3b, 0xcf,
];

#[test]
fn the_published_request_is_read_and_authentic() {
    let message = BindingMessage::decode(&RFC5769_REQUEST).unwrap();
    assert_eq!(message.class, BindingClass::Request);
    assert_eq!(message.fragments(), Some((&b"evtj"[..], &b"h6vY"[..])));
    assert_eq!(message.priority, Some(0x6e00_01ff));
    assert_eq!(message.role, Some(ClaimedRole::Controlled(0x932f_f9b1_5126_3b36)));
    assert!(message.is_authentic(PASSWORD));
    assert!(!message.is_authentic("another password entirely"));
}

#[test]
fn responses_carry_the_address_of_both_families() {
    for address in ["192.0.2.1:32853", "[2001:db8:1234:5678:11:2233:4455:6677]:32853"] {
        let address: SocketAddr = address.parse().unwrap();
        let bytes = success_response(TRANSACTION, address, PASSWORD);
        let message = BindingMessage::decode(&bytes).unwrap();
        assert_eq!((message.class, message.transaction), (BindingClass::Success, TRANSACTION));
        assert_eq!(message.mapped, Some(address));
        assert!(message.is_authentic(PASSWORD));
    }
}

#[test]
fn requests_and_errors_are_read_back() {
    let role = ClaimedRole::Controlling(42);
    let check =
        CheckRequest { transaction: TRANSACTION, username: "th:us", priority: 9, role, use_candidate: true };
    let bytes = check_request(&check, PASSWORD);
    let message = BindingMessage::decode(&bytes).unwrap();
    assert_eq!((message.role, message.priority, message.use_candidate), (Some(role), Some(9), true));
    let bytes = error_response(TRANSACTION, 487, &[], PASSWORD);
    assert_eq!(BindingMessage::decode(&bytes).unwrap().class, BindingClass::Error(487));
    let bytes = error_response(TRANSACTION, 420, &[0x7FFF], PASSWORD);
    assert_eq!(BindingMessage::decode(&bytes).unwrap().class, BindingClass::Error(420));
}

#[test]
fn a_success_response_is_never_longer_than_its_request() {
    let check = CheckRequest {
        transaction: TRANSACTION,
        username: "abcd:efgh",
        priority: 1,
        role: ClaimedRole::Controlling(1),
        use_candidate: false,
    };
    let request = check_request(&check, PASSWORD);
    let response = success_response(TRANSACTION, "[2001:db8::1]:9".parse().unwrap(), PASSWORD);
    assert!(response.len() <= request.len(), "{} > {}", response.len(), request.len());
}

#[test]
fn damaged_messages_are_refused_by_name() {
    let decode = |bytes: &[u8]| BindingMessage::decode(bytes).map(|_| ()).unwrap_err();
    let mut flipped = RFC5769_REQUEST;
    flipped[44] ^= 1;
    assert_eq!(decode(&flipped), PacketDrop::StunFingerprint);
    assert_eq!(decode(&RFC5769_REQUEST[..100]), PacketDrop::StunMalformed);
    assert_eq!(decode(&[]), PacketDrop::StunMalformed);
    let mut bare = RFC5769_REQUEST[..100].to_vec();
    bare[3] = 0x50;
    assert_eq!(decode(&bare), PacketDrop::StunFingerprint);
}

#[test]
fn unknown_required_attributes_are_listed() {
    let mut message = start(REQUEST, TRANSACTION);
    put(&mut message, 0x7001, b"?");
    put(&mut message, 0xC001, b"?");
    let bytes = seal(message, PASSWORD);
    assert_eq!(BindingMessage::decode(&bytes).unwrap().unknown.as_slice(), [0x7001]);
}

#[test]
fn too_many_attributes_are_refused() {
    let mut message = start(REQUEST, TRANSACTION);
    (0..40).for_each(|_| put(&mut message, 0x8022, b"x"));
    let bytes = seal(message, PASSWORD);
    assert_eq!(BindingMessage::decode(&bytes).map(|_| ()), Err(PacketDrop::StunMalformed));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = BindingMessage::decode(&bytes).map(|message| message.is_authentic(PASSWORD));
    }

    #[test]
    fn no_mutation_makes_it_panic_or_pass(at in 0_usize..108, to in any::<u8>(), cut in 0_usize..=108) {
        let mut bytes = RFC5769_REQUEST;
        let same = bytes[at] == to;
        bytes[at] = to;
        if let Ok(message) = BindingMessage::decode(&bytes[..cut]) {
            prop_assert!(same && cut == 108 && message.is_authentic(PASSWORD));
        }
    }
}

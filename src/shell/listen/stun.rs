//! STUN as the keep-alive of devices on UDP (RFC 5626 §3.5.2 and §8): a binding request without credentials is
//! answered with the address that it came from.
//!
//! An answer is 12 bytes longer than the shortest request at most, so it is of no use for amplification.

use std::net::{IpAddr, SocketAddr};

const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xA4, 0x42];
const BINDING_REQUEST: [u8; 2] = [0x00, 0x01];
const BINDING_SUCCESS: [u8; 2] = [0x01, 0x01];
const XOR_MAPPED_ADDRESS: [u8; 2] = [0x00, 0x20];
const HEADER: usize = 20;

/// Whether a datagram is STUN: SIP begins with a letter, STUN with two zero bits and the cookie (RFC 8489 §5).
pub(super) fn is_stun(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|first| *first < 4) && datagram.get(4..8) == Some(&MAGIC_COOKIE)
}

/// The answer to a binding request from `source`; `None` for anything else, which is dropped.
pub(super) fn answer(datagram: &[u8], source: SocketAddr) -> Option<Vec<u8>> {
    let transaction = datagram.get(8..HEADER)?;
    let length = usize::from(u16::from_be_bytes([*datagram.get(2)?, *datagram.get(3)?]));
    if datagram.get(..2) != Some(&BINDING_REQUEST) || datagram.len() != HEADER + length {
        return None;
    }
    let value = xor_address(source, transaction);
    let attribute = u16::try_from(value.len()).ok()?;
    let mut message = Vec::with_capacity(HEADER + 4 + value.len());
    message.extend_from_slice(&BINDING_SUCCESS);
    message.extend_from_slice(&(attribute + 4).to_be_bytes());
    message.extend_from_slice(&MAGIC_COOKIE);
    message.extend_from_slice(transaction);
    message.extend_from_slice(&XOR_MAPPED_ADDRESS);
    message.extend_from_slice(&attribute.to_be_bytes());
    message.extend_from_slice(&value);
    Some(message)
}

/// The value of XOR-MAPPED-ADDRESS (RFC 8489 §14.2).
fn xor_address(source: SocketAddr, transaction: &[u8]) -> Vec<u8> {
    let mask: Vec<u8> = MAGIC_COOKIE.iter().chain(transaction).copied().collect();
    let (family, address) = match source.ip().to_canonical() {
        IpAddr::V4(v4) => (1, v4.octets().to_vec()),
        IpAddr::V6(v6) => (2, v6.octets().to_vec()),
    };
    let port = source.port().to_be_bytes();
    let mut value = vec![0, family];
    value.extend(port.iter().zip(&mask).map(|(byte, mask)| byte ^ mask));
    value.extend(address.iter().zip(&mask).map(|(byte, mask)| byte ^ mask));
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_binding_request_is_answered_with_its_source() {
        let mut request = vec![0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42];
        request.extend_from_slice(b"abcdefghijkl");
        assert!(is_stun(&request));
        let answer = answer(&request, "192.0.2.1:32853".parse().unwrap()).unwrap();
        let expected = [
            1, 1, 0, 12, 0x21, 0x12, 0xA4, 0x42, b'a', b'b', b'c', b'd', b'e', b'f', b'g', b'h', b'i', b'j',
            b'k', b'l', 0, 0x20, 0, 8, 0, 1, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43,
        ];
        assert_eq!(answer, expected, "as in RFC 5769 §2.2");
    }

    #[test]
    fn anything_else_is_dropped() {
        let source = "192.0.2.1:5060".parse().unwrap();
        assert!(!is_stun(b"OPTIONS sip:a@b SIP/2.0\r\n"));
        assert!(!is_stun(&[0, 1, 0, 0]));
        let mut indication = vec![0, 0x11, 0, 0, 0x21, 0x12, 0xA4, 0x42];
        indication.extend_from_slice(&[0; 12]);
        assert_eq!(answer(&indication, source), None);
        let mut short = vec![0, 1, 0, 8, 0x21, 0x12, 0xA4, 0x42];
        short.extend_from_slice(&[0; 12]);
        assert_eq!(answer(&short, source), None, "its length is a lie");
        for cut in 0..short.len() {
            let _ = answer(&short[..cut], source);
        }
    }
}

//! Session keys from the master key (RFC 3711 §4.3; for GCM, RFC 7714 §11).

use aes::{Aes128, Aes256};
use cipher::{Block, BlockCipherEncrypt, KeyInit};
use zeroize::Zeroize;

use super::key::SrtpKey;

/// What a session key is for; its number goes into the derivation (RFC 3711 §4.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Label {
    /// Encrypts RTP.
    RtpEncryption = 0,
    /// Authenticates RTP.
    RtpAuthentication = 1,
    /// Salts RTP.
    RtpSalt = 2,
    /// Encrypts RTCP.
    RtcpEncryption = 3,
    /// Authenticates RTCP.
    RtcpAuthentication = 4,
    /// Salts RTCP.
    RtcpSalt = 5,
}

/// The longest session key we derive: an AES-256 key.
const LONGEST: usize = 32;

/// Bytes of a session key; wiped when dropped.
pub(super) struct SessionKey {
    bytes: [u8; LONGEST],
}

impl SessionKey {
    /// Its first `N` bytes; `N` is at most 32.
    pub(super) fn first<const N: usize>(&self) -> [u8; N] {
        const { assert!(N <= LONGEST) };
        let mut out = [0; N];
        out.iter_mut().zip(&self.bytes).for_each(|(to, from)| *to = *from);
        out
    }
}

impl Drop for SessionKey {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

/// The session key of `label`, with a key derivation rate of zero: the AES-CM key stream of the master key
/// from the counter `(master salt XOR label · 2^48) · 2^16`.
pub(super) fn derive(master: &SrtpKey, label: Label) -> SessionKey {
    let mut first = Block::<Aes128>::default();
    first.iter_mut().zip(master.salt()).for_each(|(to, from)| *to = *from);
    first.iter_mut().skip(7).take(1).for_each(|byte| *byte ^= label as u8);
    let mut second = first;
    second.iter_mut().skip(15).for_each(|byte| *byte |= 1);
    let mut blocks = [first, second];
    if let Ok(aes) = Aes256::new_from_slice(master.key()) {
        aes.encrypt_blocks(&mut blocks);
    } else if let Ok(aes) = Aes128::new_from_slice(master.key()) {
        aes.encrypt_blocks(&mut blocks);
    }
    let mut bytes = [0; LONGEST];
    bytes.iter_mut().zip(blocks.iter().flatten()).for_each(|(to, from)| *to = *from);
    SessionKey { bytes }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::srtp::tests::hex;
    use crate::media::srtp::{SrtpKey, SrtpProfile};

    /// RFC 3711 appendix B.3.
    #[test]
    fn session_keys_are_those_of_rfc_3711() {
        let master = SrtpKey::new(
            SrtpProfile::AesCm128HmacSha1_80,
            &hex("E1F97A0D3E018BE0D64FA32C06DE4139"),
            &hex("0EC675AD498AFEEBB6960B3AABE6"),
        )
        .unwrap();
        let key = derive(&master, Label::RtpEncryption).first::<16>();
        assert_eq!(key[..], hex("C61E7A93744F39EE10734AFE3FF7A087"));
        let salt = derive(&master, Label::RtpSalt).first::<14>();
        assert_eq!(salt[..], hex("30CBBC08863D8C85D49DB34A9AE1"));
        let auth = derive(&master, Label::RtpAuthentication).first::<20>();
        assert_eq!(auth[..], hex("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4"));
    }
}

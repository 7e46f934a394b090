//! AES-GCM (RFC 7714 §8, §9).

use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, Tag, UnboundKey};

use super::derive::{Label, derive};
use super::key::{SrtpKey, SrtpProfile};
use crate::media::DropReason;
use crate::media::rtp::Ssrc;

/// Length of a GCM tag, in bytes.
pub(super) const TAG: usize = 16;

/// One direction's key for RTP or for RTCP.
pub(super) struct AesGcm {
    key: LessSafeKey,
    salt: [u8; 12],
}

impl AesGcm {
    /// The session keys of `master` under two labels.
    pub(super) fn new(master: &SrtpKey, [encryption, salt]: [Label; 2]) -> Self {
        let session = derive(master, encryption);
        let unbound = if master.profile() == SrtpProfile::AeadAes256Gcm {
            UnboundKey::new(&AES_256_GCM, &session.first::<32>())
        } else {
            UnboundKey::new(&AES_128_GCM, &session.first::<16>())
        };
        let key = LessSafeKey::new(unbound.expect("invariant: the key has the algorithm's length"));
        Self { key, salt: derive(master, salt).first() }
    }

    /// From a session key itself, as the vectors of RFC 7714 give it.
    #[cfg(test)]
    pub(super) fn from_session(key: &[u8], salt: [u8; 12]) -> Self {
        let algorithm = if key.len() == 32 { &AES_256_GCM } else { &AES_128_GCM };
        Self { key: LessSafeKey::new(UnboundKey::new(algorithm, key).unwrap()), salt }
    }

    /// Encrypts `text` in place; `index` must never be used twice with this key and `ssrc`.
    pub(super) fn seal(
        &self,
        aad: &[u8],
        text: &mut [u8],
        ssrc: Ssrc,
        index: u64,
    ) -> Result<Tag, DropReason> {
        self.key
            .seal_in_place_separate_tag(self.nonce(ssrc, index), Aad::from(aad), text)
            .map_err(|_| DropReason::KeyExhausted)
    }

    /// Decrypts `text`, whose last 16 bytes are the tag, in place.
    pub(super) fn open(&self, aad: &[u8], text: &mut [u8], ssrc: Ssrc, index: u64) -> Result<(), DropReason> {
        let opened = self.key.open_in_place(self.nonce(ssrc, index), Aad::from(aad), text);
        opened.map(|_| ()).map_err(|_| DropReason::AuthFailed)
    }

    /// Two zero bytes, SSRC, 48-bit index, XOR salt (RFC 7714 §8.1, §9.1).
    fn nonce(&self, ssrc: Ssrc, index: u64) -> Nonce {
        let mut nonce = self.salt;
        nonce.iter_mut().skip(2).zip(ssrc.0.to_be_bytes()).for_each(|(to, from)| *to ^= from);
        let [_, _, index @ ..] = index.to_be_bytes();
        nonce.iter_mut().skip(6).zip(index).for_each(|(to, from)| *to ^= from);
        Nonce::assume_unique_for_key(nonce)
    }
}

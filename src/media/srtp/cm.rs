//! AES in counter mode with HMAC-SHA1 (RFC 3711 §4.1.1, §4.2.1).

use aes::Aes128;
use cipher::{InnerIvInit, KeyInit, StreamCipher, StreamCipherCoreWrapper};
use ctr::{CtrCore, flavors::Ctr128BE};
use hmac::{Hmac, Mac};
use sha1::Sha1;
use subtle::ConstantTimeEq;

use super::derive::{Label, derive};
use super::key::SrtpKey;
use crate::media::rtp::Ssrc;

/// The longest tag: 80 bits.
pub(super) const LONGEST_TAG: usize = 10;

/// One direction's keys for RTP or for RTCP. Key schedules and HMAC state are made once.
pub(super) struct AesCm {
    aes: Aes128,
    salt: [u8; 14],
    mac: Hmac<Sha1>,
    tag_length: usize,
}

impl AesCm {
    /// The session keys of `master` under three labels; `tag_length` is at most 10.
    pub(super) fn new(
        master: &SrtpKey,
        [encryption, authentication, salt]: [Label; 3],
        tag_length: usize,
    ) -> Self {
        let auth_key: [u8; 20] = derive(master, authentication).first();
        Self {
            aes: Aes128::new(&derive(master, encryption).first::<16>().into()),
            salt: derive(master, salt).first(),
            mac: Hmac::new_from_slice(&auth_key).expect("invariant: HMAC takes a key of any length"),
            tag_length,
        }
    }

    /// Length of its tags, in bytes.
    pub(super) fn tag_length(&self) -> usize {
        self.tag_length
    }

    /// Encrypts or decrypts `payload`, the same both ways.
    pub(super) fn apply(&self, payload: &mut [u8], ssrc: Ssrc, index: u64) {
        let mut iv = [0; 16];
        iv.iter_mut().zip(self.salt).for_each(|(to, from)| *to = from);
        let mixed = iv.iter_mut().skip(4).zip(ssrc.0.to_be_bytes());
        mixed.for_each(|(to, from)| *to ^= from);
        let [_, _, index @ ..] = index.to_be_bytes();
        iv.iter_mut().skip(8).zip(index).for_each(|(to, from)| *to ^= from);
        let core = CtrCore::<&Aes128, Ctr128BE>::inner_iv_init(&self.aes, &iv.into());
        StreamCipherCoreWrapper::from_core(core).apply_keystream(payload);
    }

    /// The tag of `parts` laid end to end; its first [`tag_length`](Self::tag_length) bytes count.
    pub(super) fn tag(&self, parts: [&[u8]; 2]) -> [u8; LONGEST_TAG] {
        let mut mac = self.mac.clone();
        for part in parts {
            mac.update(part);
        }
        let mut tag = [0; LONGEST_TAG];
        tag.iter_mut().zip(mac.finalize().into_bytes()).for_each(|(to, from)| *to = from);
        tag
    }

    /// Whether `tag` is the tag of `parts`, in constant time.
    pub(super) fn verify(&self, parts: [&[u8]; 2], tag: &[u8]) -> bool {
        let want = self.tag(parts);
        want.get(..self.tag_length).is_some_and(|want| bool::from(want.ct_eq(tag)))
    }
}

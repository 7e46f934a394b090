//! The federation's keys: they seal what is needed to verify visitors.
//!
//! Each box gets them as a credential, a text of one key a line, `ID:HEX`, HEX being 64 digits. The first seals; all
//! open. So a key is changed without a gap: add the new one behind the old on every box, then put it first, then, when
//! every record has been sealed anew, take the old one away.

use std::fmt;

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

/// Most keys at once.
const MOST: usize = 4;
/// Bytes of a key (AES-256).
const LENGTH: usize = 32;

/// A key's number, which stands beside what it sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyId(pub u32);

/// One key. Never shown, wiped when dropped.
#[derive(Clone)]
pub struct GroupKey {
    id: KeyId,
    bytes: [u8; LENGTH],
}

/// The keys; at least one, at most four.
#[derive(Clone, Debug)]
pub struct Keyring {
    sealing: GroupKey,
    others: Vec<GroupKey>,
}

/// Why a text is no keyring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// No key at all.
    #[error("no key; expected lines of `ID:HEX`")]
    Empty,
    /// More than four.
    #[error("more than {MOST} keys")]
    TooMany,
    /// A line is not `ID:HEX`.
    #[error("line {0}: expected `ID:HEX`, a number and 64 hexadecimal digits")]
    Line(usize),
    /// An id stands twice.
    #[error("line {0}: the id stands there twice")]
    Twice(usize),
}

impl GroupKey {
    /// A key of 32 random bytes.
    pub const fn new(id: KeyId, bytes: [u8; LENGTH]) -> Self {
        Self { id, bytes }
    }

    /// Its number.
    pub const fn id(&self) -> KeyId {
        self.id
    }

    pub(super) const fn bytes(&self) -> &[u8; LENGTH] {
        &self.bytes
    }

    fn read(line: &str) -> Option<Self> {
        let (id, hex) = line.split_once(':')?;
        let hex = hex.trim();
        if hex.len() != LENGTH * 2 || !hex.is_ascii() {
            return None;
        }
        let mut key = Self { id: KeyId(id.trim().parse().ok()?), bytes: [0; LENGTH] };
        for (byte, pair) in key.bytes.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
            let digits =
                Zeroizing::new(str::from_utf8(pair).ok().filter(|pair| !pair.contains('+'))?.to_owned());
            *byte = u8::from_str_radix(&digits, 16).ok()?;
        }
        Some(key)
    }
}

impl Drop for GroupKey {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

impl fmt::Debug for GroupKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GroupKey({}, <redacted>)", self.id.0)
    }
}

impl Keyring {
    /// Reads the credential. Empty lines and those that begin with `#` are passed over.
    pub fn parse(text: &str) -> Result<Self, KeyringError> {
        let mut keyring: Option<Self> = None;
        let lines = (1..).zip(text.lines().map(str::trim));
        for (number, line) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
            let key = GroupKey::read(line).ok_or(KeyringError::Line(number))?;
            match &mut keyring {
                None => keyring = Some(Self { sealing: key, others: Vec::new() }),
                Some(known) if known.get(key.id).is_some() => return Err(KeyringError::Twice(number)),
                Some(known) if known.others.len() + 1 >= MOST => return Err(KeyringError::TooMany),
                Some(known) => known.others.push(key),
            }
        }
        keyring.ok_or(KeyringError::Empty)
    }

    /// The key that seals.
    pub const fn sealing(&self) -> &GroupKey {
        &self.sealing
    }

    /// The key of that number.
    pub fn get(&self, id: KeyId) -> Option<&GroupKey> {
        std::iter::once(&self.sealing).chain(&self.others).find(|key| key.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_key_seals_and_all_are_found() {
        let (one, two) = ("ab".repeat(32), "CD".repeat(32));
        let keyring = Keyring::parse(&format!("# federation\n7:{one}\n\n 6 : {two} \n")).unwrap();
        assert_eq!(keyring.sealing().id(), KeyId(7));
        assert_eq!(keyring.get(KeyId(6)).unwrap().bytes(), &[0xcd; 32]);
        assert!(keyring.get(KeyId(5)).is_none());
        assert!(!format!("{keyring:?}").contains("ab"));
    }

    #[test]
    fn errors_name_the_line() {
        let key = "ab".repeat(32);
        for (text, error) in [
            (String::new(), KeyringError::Empty),
            (format!("1:{key}\nx:{key}"), KeyringError::Line(2)),
            ("1:abcd".to_owned(), KeyringError::Line(1)),
            (format!("1:{}", "+1".repeat(32)), KeyringError::Line(1)),
            (format!("1:{key}\n\n1:{key}"), KeyringError::Twice(3)),
            (format!("1:{key}\n2:{key}\n3:{key}\n4:{key}\n5:{key}"), KeyringError::TooMany),
        ] {
            assert_eq!(Keyring::parse(&text).unwrap_err(), error);
        }
    }
}

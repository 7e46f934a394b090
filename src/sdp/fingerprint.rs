//! `a=fingerprint`: the hash of the certificate a peer will show in DTLS (RFC 8122 §5).

use std::fmt;
use std::str::FromStr;

/// Hash functions that are strong enough to tie a certificate to a call, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HashFunction {
    /// `sha-1`: old peers know no other.
    Sha1,
    /// `sha-256`
    Sha256,
    /// `sha-384`
    Sha384,
    /// `sha-512`
    Sha512,
}

impl HashFunction {
    const ALL: [Self; 4] = [Self::Sha1, Self::Sha256, Self::Sha384, Self::Sha512];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sha1 => "sha-1",
            Self::Sha256 => "sha-256",
            Self::Sha384 => "sha-384",
            Self::Sha512 => "sha-512",
        }
    }

    /// Bytes of digest.
    pub const fn length(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }
}

/// A certificate's fingerprint. Not a secret.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    function: HashFunction,
    digest: heapless::Vec<u8, 64>,
}

impl Fingerprint {
    /// A fingerprint of that digest; `None` if its length is not the function's.
    pub fn new(function: HashFunction, digest: &[u8]) -> Option<Self> {
        let digest = heapless::Vec::from_slice(digest).ok()?;
        (digest.len() == function.length()).then_some(Self { function, digest })
    }

    /// A SHA-256 fingerprint, the kind we give out.
    pub fn sha256(digest: [u8; 32]) -> Self {
        let digest = digest.into_iter().collect();
        Self { function: HashFunction::Sha256, digest }
    }

    /// The hash function.
    pub const fn function(&self) -> HashFunction {
        self.function
    }

    /// The digest.
    pub fn digest(&self) -> &[u8] {
        &self.digest
    }
}

impl FromStr for Fingerprint {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (name, digits) = text.trim_ascii().split_once([' ', '\t']).ok_or(())?;
        let function = HashFunction::ALL
            .into_iter()
            .find(|function| function.as_str().eq_ignore_ascii_case(name))
            .ok_or(())?;
        let mut digest = heapless::Vec::<u8, 64>::new();
        for pair in digits.trim_ascii().split(':') {
            let two_digits = pair.len() == 2 && pair.bytes().all(|digit| digit.is_ascii_hexdigit());
            let byte =
                if two_digits { u8::from_str_radix(pair, 16).map_err(|_| ())? } else { return Err(()) };
            digest.push(byte).map_err(|_| ())?;
        }
        Self::new(function, &digest).ok_or(())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.function.as_str())?;
        for (place, byte) in self.digest.iter().enumerate() {
            write!(f, "{}{byte:02X}", if place == 0 { ' ' } else { ':' })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_and_written() {
        let ours = Fingerprint::sha256([0xAB; 32]);
        assert_eq!(ours.to_string(), format!("sha-256 {}", ["AB"; 32].join(":")));
        assert_eq!(ours.to_string().to_lowercase().parse(), Ok(ours));
    }

    #[test]
    fn wrong_lengths_functions_and_digits_are_refused() {
        for text in ["sha-256", "sha-256 AA:BB", "md5 00:00", "sha-1 zz", "sha-1 +1:00", ""] {
            assert_eq!(text.parse::<Fingerprint>(), Err(()), "{text}");
        }
        let long = format!("sha-512 {}", ["00"; 65].join(":"));
        assert_eq!(long.parse::<Fingerprint>(), Err(()));
    }
}

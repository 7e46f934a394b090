//! Whose extension: the address of record of the federation, and its compact form.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::engine::numbering::{CountryCode, Extension, OfficeId};

/// An extension and the office that gave it out. The extension carries its country where the home office has one, so
/// that all offices write it alike.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Aor {
    /// The home office.
    #[serde(with = "office_text")]
    pub home: OfficeId,
    /// The extension, `32-1001`.
    #[serde(with = "extension_text")]
    pub extension: Extension,
}

/// An extension in eight bytes: its digits as a number, how many they are, and how many of them are the country code's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct PackedExtension(pub(super) u64);

/// Bits of the number of digits (at most 15) and of the country code's digits (at most 3).
const LENGTH_BITS: u32 = 4;
const COUNTRY_BITS: u32 = 2;

impl fmt::Display for Aor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.home, self.extension)
    }
}

impl PackedExtension {
    pub(super) fn pack(extension: &Extension) -> Self {
        let country = extension.country().map_or(0, CountryCode::digits) as u64;
        let digits = extension.as_str().bytes().filter(u8::is_ascii_digit);
        let (value, length) = digits.fold((0_u64, 0_u64), |(value, length), digit| {
            (value.wrapping_mul(10).wrapping_add(u64::from(digit - b'0')), length + 1)
        });
        Self(value << (LENGTH_BITS + COUNTRY_BITS) | length << COUNTRY_BITS | country)
    }

    /// `None` for bits that no extension packs to.
    pub(super) fn unpack(self) -> Option<Extension> {
        let country = usize::try_from(self.0 & ((1 << COUNTRY_BITS) - 1)).ok()?;
        let length = usize::try_from(self.0 >> COUNTRY_BITS & ((1 << LENGTH_BITS) - 1)).ok()?;
        let value = self.0 >> (LENGTH_BITS + COUNTRY_BITS);
        let digits = format!("{value:0length$}");
        let (code, local) = digits.split_at_checked(country)?;
        let code = if country == 0 { None } else { Some(code.parse::<CountryCode>().ok()?) };
        Extension::new(code, local).ok()
    }
}

pub(super) mod office_text {
    use super::{Deserialize, Deserializer, OfficeId, Serialize, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
    pub(in super::super) fn serialize<S: Serializer>(office: &OfficeId, to: S) -> Result<S::Ok, S::Error> {
        office.as_str().serialize(to)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<OfficeId, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

mod extension_text {
    use super::{Deserialize, Deserializer, Extension, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(extension: &Extension, to: S) -> Result<S::Ok, S::Error> {
        extension.as_str().serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Extension, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_form_packs_and_comes_back() {
        for text in
            ["1001", "0042", "32-1001", "1-8001234567", "352-00", "123456789012345", "32-0000000000000"]
        {
            let extension: Extension = text.parse().unwrap();
            assert_eq!(PackedExtension::pack(&extension).unpack(), Some(extension), "{text}");
        }
    }

    #[test]
    fn an_address_of_record_in_json() {
        let aor = Aor { home: "BRU".parse().unwrap(), extension: "+321001".parse().unwrap() };
        let json = serde_json::to_string(&aor).unwrap();
        assert_eq!(json, r#"{"home":"BRU","extension":"32-1001"}"#);
        assert_eq!(serde_json::from_str::<Aor>(&json).unwrap(), aor);
        assert_eq!(aor.to_string(), "BRU/32-1001");
    }

    proptest! {
        #[test]
        fn packing_is_one_to_one(a in "[1-9][0-9]{0,2}-[0-9]{2,11}|[0-9]{2,15}", b in "[0-9]{2,15}") {
            let read = |text: &str| text.parse::<Extension>().ok();
            if let (Some(a), Some(b)) = (read(&a), read(&b)) {
                prop_assert_eq!(PackedExtension::pack(&a).unpack(), Some(a.clone()));
                prop_assert_eq!(PackedExtension::pack(&a) == PackedExtension::pack(&b), a == b);
            }
        }

        #[test]
        fn any_bits_unpack_to_an_extension_or_nothing(bits in any::<u64>()) {
            let _ = PackedExtension(bits).unpack();
        }
    }
}

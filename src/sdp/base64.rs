//! Base64 with the standard alphabet (RFC 4648 §4), into storage of the caller's, so that keys are not left behind.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Appends the padded encoding of `bytes`.
pub(crate) fn encode_into(bytes: &[u8], out: &mut String) {
    for chunk in bytes.chunks(3) {
        let group =
            chunk.iter().fold(0_u32, |group, byte| group << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let index = (group >> (18 - 6 * place)) & 0x3f;
            out.push(if place > chunk.len() { '=' } else { char::from(ALPHABET[index as usize]) });
        }
    }
}

/// Decodes into `out` and says how many bytes there were. Padding may be missing, as some phones leave it out.
/// `None` if a character is not of the alphabet, the length is impossible, or `out` is too small.
pub(crate) fn decode_into(text: &str, out: &mut [u8]) -> Option<usize> {
    let text = text.trim_end_matches('=').as_bytes();
    if text.len() % 4 == 1 {
        return None;
    }
    let mut length = 0;
    for chunk in text.chunks(4) {
        let mut group = 0_u32;
        for character in chunk {
            group = group << 6 | u32::from(value_of(*character)?);
        }
        group <<= 6 * (4 - chunk.len());
        for byte in group.to_be_bytes().into_iter().skip(1).take(chunk.len() - 1) {
            *out.get_mut(length)? = byte;
            length += 1;
        }
    }
    Some(length)
}

const fn value_of(character: u8) -> Option<u8> {
    match character {
        b'A'..=b'Z' => Some(character - b'A'),
        b'a'..=b'z' => Some(character - b'a' + 26),
        b'0'..=b'9' => Some(character - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_vectors_of_rfc_4648() {
        for (plain, encoded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("foobar", "Zm9vYmFy"),
        ] {
            let mut text = String::new();
            encode_into(plain.as_bytes(), &mut text);
            assert_eq!(text, encoded);
            let mut bytes = [0; 8];
            assert_eq!(decode_into(encoded, &mut bytes), Some(plain.len()));
            assert_eq!(&bytes[..plain.len()], plain.as_bytes());
        }
    }

    #[test]
    fn bad_text_and_small_storage_are_refused() {
        let mut bytes = [0; 2];
        for text in ["A", "AA*A", "Zm9v", "Zm 9"] {
            assert_eq!(decode_into(text, &mut bytes), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn decoding_undoes_encoding(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let mut text = String::new();
            encode_into(&bytes, &mut text);
            let mut back = [0; 64];
            prop_assert_eq!(decode_into(&text, &mut back), Some(bytes.len()));
            prop_assert_eq!(&back[..bytes.len()], &bytes[..]);
        }

        #[test]
        fn decoding_never_panics(text in ".{0,80}") {
            let _ = decode_into(&text, &mut [0; 46]);
        }
    }
}

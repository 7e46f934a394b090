//! Canonical JSON (RFC 8785), for values without fractions: what is signed, and what has a digest.
//!
//! For keys of ASCII and strings without DEL it is what `jq -cSj .` prints.

use std::fmt::Write as _;

use serde_json::Value;

use super::document::Refusal;
use super::json::LARGEST_INTEGER;

/// The canonical form of `value`: no space, keys in the order of their UTF-16 code units (§3.2.3), the shortest escapes
/// (§3.2.2.2). Refuses what is no integer between −2⁵³ and 2⁵³.
pub fn canonical(value: &Value) -> Result<String, Refusal> {
    let mut text = String::new();
    write(value, &mut text)?;
    Ok(text)
}

fn write(value: &Value, text: &mut String) -> Result<(), Refusal> {
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(it) => text.push_str(if *it { "true" } else { "false" }),
        Value::Number(number) => {
            let size = number.as_u64().or_else(|| number.as_i64().map(i64::unsigned_abs));
            if size.is_none_or(|size| size > LARGEST_INTEGER) {
                return Err(Refusal::whole(format!("{number}: expected an integer between -2^53 and 2^53")));
            }
            let _ = write!(text, "{number}");
        }
        Value::String(it) => write_string(it, text),
        Value::Array(items) => {
            text.push('[');
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    text.push(',');
                }
                write(item, text)?;
            }
            text.push(']');
        }
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
            text.push('{');
            for (place, (key, field)) in fields.into_iter().enumerate() {
                if place > 0 {
                    text.push(',');
                }
                write_string(key, text);
                text.push(':');
                write(field, text)?;
            }
            text.push('}');
        }
    }
    Ok(())
}

fn write_string(it: &str, text: &mut String) {
    text.push('"');
    for character in it.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\u{8}' => text.push_str("\\b"),
            '\u{9}' => text.push_str("\\t"),
            '\u{a}' => text.push_str("\\n"),
            '\u{c}' => text.push_str("\\f"),
            '\u{d}' => text.push_str("\\r"),
            control if control < ' ' => {
                let _ = write!(text, "\\u{:04x}", u32::from(control));
            }
            other => text.push(other),
        }
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn the_vectors_of_rfc_8785() {
        // §3.2.3: sorted by UTF-16 code units, so that the astral emoji comes before U+FB33.
        let value = json!({
            "\u{20ac}": "Euro Sign", "\r": "Carriage Return", "\u{fb33}": "Hebrew Letter Dalet With Dagesh",
            "1": "One", "\u{1f600}": "Emoji: Grinning Face", "\u{80}": "Control",
            "\u{f6}": "Latin Small Letter O With Diaeresis",
        });
        assert_eq!(
            canonical(&value).unwrap(),
            "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\u{80}\":\"Control\",\
             \"\u{f6}\":\"Latin Small Letter O With Diaeresis\",\"\u{20ac}\":\"Euro Sign\",\
             \"\u{1f600}\":\"Emoji: Grinning Face\",\"\u{fb33}\":\"Hebrew Letter Dalet With Dagesh\"}"
        );
        // §3.2.2: literals and strings.
        let value =
            json!({"literals": [null, true, false], "string": "\u{20ac}$\u{f}\u{a}A'B\"\\\\\"/", "n": -7});
        assert_eq!(
            canonical(&value).unwrap(),
            "{\"literals\":[null,true,false],\"n\":-7,\"string\":\"\u{20ac}$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}"
        );
        assert!(canonical(&json!([1.5])).is_err() && canonical(&json!(1_u64 << 53)).is_err());
    }

    fn values() -> impl Strategy<Value = Value> {
        let largest = i64::try_from(LARGEST_INTEGER).unwrap();
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (-largest..=largest).prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map(any::<String>(), inner, 0..6)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_canonical_form_says_the_same_and_is_its_own(value in values()) {
            let text = canonical(&value).unwrap();
            let bounds = super::super::json::JsonBounds { bytes: 1 << 20, depth: 100, values: 10_000 };
            let again = super::super::json::parse(text.as_bytes(), &bounds).unwrap();
            prop_assert_eq!(&again, &value);
            prop_assert_eq!(canonical(&again).unwrap(), text);
        }
    }
}

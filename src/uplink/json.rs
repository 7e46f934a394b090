//! JSON of strangers, read within bounds: nesting, number of values, no key twice, integers only.
//!
//! A signature covers the canonical form of what was read. If a key could stand there twice, two readers could each take
//! another value for signed; if a number could have a fraction, its canonical form would depend on how well a reader
//! prints floats. So both are refused (RFC 7493 §2.2, §2.3).

use std::cell::{Cell, RefCell};
use std::fmt::{self, Write as _};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::document::Refusal;

/// The largest integer that every JSON reader keeps exact (RFC 7493 §2.2), and minus it the smallest.
pub(super) const LARGEST_INTEGER: u64 = (1 << 53) - 1;

/// Bounds of what is read.
#[derive(Clone, Copy, Debug)]
pub struct JsonBounds {
    /// Most bytes.
    pub bytes: usize,
    /// Deepest nesting of arrays and objects, at most 100.
    pub depth: usize,
    /// Most values, those in arrays and objects included.
    pub values: usize,
}

/// Reads `text`, which must be one JSON value within `bounds`. The refusal's part is the path to the bad value.
pub fn parse(text: &[u8], bounds: &JsonBounds) -> Result<Value, Refusal> {
    if text.len() > bounds.bytes {
        return Err(Refusal::whole(format!("{} bytes; expected at most {}", text.len(), bounds.bytes)));
    }
    let reader = Reader { bounds, values: Cell::new(0), path: RefCell::default(), flaw: RefCell::default() };
    let mut parser = serde_json::Deserializer::from_slice(text);
    let value = Seed { reader: &reader, depth: 0 }.deserialize(&mut parser);
    match value.and_then(|value| parser.end().map(|()| value)) {
        Ok(value) => Ok(value),
        Err(error) => Err(reader.flaw.take().unwrap_or_else(|| Refusal::whole(format!("not JSON: {error}")))),
    }
}

enum Step {
    Key(String),
    Place(usize),
}

struct Reader<'a> {
    bounds: &'a JsonBounds,
    values: Cell<usize>,
    path: RefCell<Vec<Step>>,
    flaw: RefCell<Option<Refusal>>,
}

impl Reader<'_> {
    fn refuse<E: Error>(&self, reason: impl fmt::Display) -> E {
        let part = path_text(&self.path.borrow());
        let mut flaw = self.flaw.borrow_mut();
        flaw.get_or_insert_with(|| Refusal::new(part, reason.to_string()));
        E::custom(reason)
    }

    fn count<E: Error>(&self) -> Result<(), E> {
        self.values.set(self.values.get() + 1);
        if self.values.get() > self.bounds.values {
            return Err(self.refuse(format_args!("expected at most {} values in all", self.bounds.values)));
        }
        Ok(())
    }
}

/// A path as refusals write it: `links[2].address`.
fn path_text(path: &[Step]) -> String {
    let mut text = String::new();
    for step in path {
        let _ = match step {
            Step::Key(key) if text.is_empty() => write!(text, "{key}"),
            Step::Key(key) => write!(text, ".{key}"),
            Step::Place(place) => write!(text, "[{place}]"),
        };
    }
    text
}

#[derive(Clone, Copy)]
struct Seed<'a> {
    reader: &'a Reader<'a>,
    depth: usize,
}

impl Seed<'_> {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        if self.depth >= self.reader.bounds.depth {
            return Err(self
                .reader
                .refuse(format_args!("expected at most {} levels", self.reader.bounds.depth)));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.reader.count()?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without fractions")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, it: bool) -> Result<Value, E> {
        Ok(it.into())
    }

    fn visit_u64<E: Error>(self, it: u64) -> Result<Value, E> {
        if it > LARGEST_INTEGER {
            return Err(self.reader.refuse("expected an integer below 2^53"));
        }
        Ok(it.into())
    }

    fn visit_i64<E: Error>(self, it: i64) -> Result<Value, E> {
        if it.unsigned_abs() > LARGEST_INTEGER {
            return Err(self.reader.refuse("expected an integer above -2^53"));
        }
        Ok(it.into())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Value, E> {
        Err(self.reader.refuse("expected an integer: no fraction, no exponent"))
    }

    fn visit_str<E: Error>(self, it: &str) -> Result<Value, E> {
        Ok(it.into())
    }

    fn visit_string<E: Error>(self, it: String) -> Result<Value, E> {
        Ok(it.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut array = Vec::new();
        loop {
            self.reader.path.borrow_mut().push(Step::Place(array.len()));
            let Some(item) = items.next_element_seed(inner)? else { break };
            self.reader.path.borrow_mut().pop();
            array.push(item);
        }
        self.reader.path.borrow_mut().pop();
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut object = Map::new();
        while let Some(key) = fields.next_key::<String>()? {
            self.reader.path.borrow_mut().push(Step::Key(key.chars().take(64).collect()));
            if object.contains_key(&key) {
                return Err(self.reader.refuse("this key is there twice"));
            }
            let value = fields.next_value_seed(inner)?;
            self.reader.path.borrow_mut().pop();
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SMALL: JsonBounds = JsonBounds { bytes: 100, depth: 3, values: 12 };

    fn refused(text: &str) -> (String, String) {
        let refusal = parse(text.as_bytes(), &SMALL).unwrap_err();
        (refusal.part, refusal.reason)
    }

    #[test]
    fn every_bound_is_named_with_the_part() {
        for (text, part, words) in [
            (r#"{"links":[{"cost":1},{"cost":1.5}]}"#, "links[1].cost", "no fraction"),
            (r#"{"a":1e2}"#, "a", "no exponent"),
            (r#"{"a":-0}"#, "a", "no fraction"),
            (r#"{"a":9007199254740992}"#, "a", "2^53"),
            (r#"{"a":-9007199254740992}"#, "a", "2^53"),
            (r#"{"a":{"b":1,"b":2}}"#, "a.b", "twice"),
            (r#"{"a":{"b":1,"\u0062":2}}"#, "a.b", "twice"),
            ("[[[[]]]]", "[0][0][0]", "3 levels"),
            ("[1,2,3,4,5,6,7,8,9,10,11,12]", "[11]", "12 values"),
            ("[1,2", "", "not JSON"),
            ("[1] 2", "", "not JSON"),
            ("\"\u{d}\"", "", "not JSON"),
            ("", "", "not JSON"),
        ] {
            let (found, reason) = refused(text);
            assert_eq!(found, part, "{text}");
            assert!(reason.contains(words), "{text}: {reason}");
        }
        assert!(refused(&" ".repeat(101)).1.contains("at most 100"));
        assert!(parse(b"{\"a\":\"\xff\"}", &SMALL).is_err(), "not UTF-8");
    }

    #[test]
    fn what_is_within_bounds_is_read() {
        let text = r#"{"a":[null,true,-9007199254740991,9007199254740991],"é":{"":"\ud83d\ude00"}}"#;
        let value = parse(text.as_bytes(), &SMALL).unwrap();
        assert_eq!(value, serde_json::from_str::<Value>(text).unwrap());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = parse(&bytes, &SMALL);
        }
    }
}

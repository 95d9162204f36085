//! JSON read strictly, and written in the one canonical form.
//!
//! A signature covers a *reading* of a text. Whatever two programs read
//! differently is therefore refused before anything is checked: an object with
//! the same name twice (RFC 8259 §4), and numbers, whose precision differs
//! between programs (RFC 8785 §3.2.2.3): this profile writes amounts as strings.
//!
//! The canonical form is JCS, RFC 8785.

use std::{cell::Cell, fmt};

use aws_lc_rs::digest;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::Error;

/// Deepest nesting of objects and arrays that is read. A certificate has six.
pub(crate) const DEPTH_MAX: usize = 16;

/// Room for a usual certificate, in bytes.
const CANONICAL_BYTES_USUAL: usize = 4096;

/// How `serde_json` hands over a number when it keeps its digits.
const NUMBER_KEY: &str = "$serde_json::private::Number";

/// Something a text says that programs read differently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ambiguity {
    /// An object has a name twice.
    DuplicateName(String),
    /// There is a number.
    Number,
}

impl fmt::Display for Ambiguity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DuplicateName(name) => write!(f, "the name `{name}` stands twice in one object"),
            Self::Number => {
                f.write_str("it holds a JSON number; this profile writes amounts as strings")
            }
        }
    }
}

/// A JSON text as it was read.
pub(crate) struct Parsed {
    /// The value; where a name stands twice, the last one; `null` for a number.
    pub(crate) value: Value,
    /// The first thing that makes the reading ambiguous.
    pub(crate) ambiguity: Option<Ambiguity>,
}

/// Reads one JSON text.
///
/// The caller has bounded its length and [`depth`].
pub(crate) fn parse(text: &[u8]) -> Result<Parsed, serde_json::Error> {
    let ambiguity = Cell::new(None);
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let value = Reader {
        ambiguity: &ambiguity,
    }
    .deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(Parsed {
        value,
        ambiguity: ambiguity.into_inner(),
    })
}

/// How deep objects and arrays nest in a JSON text, without reading it.
pub(crate) fn depth(text: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut in_string, mut escaped) = (false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// Writes a value in the canonical form of RFC 8785.
///
/// Written out here because it is half of what verifying costs: the library takes
/// a detour for every name. A test holds the two against each other.
///
/// # Errors
/// For numbers that IEEE 754 cannot hold; this profile has no numbers.
pub(crate) fn canonical(value: &Value) -> Result<Vec<u8>, Error> {
    let mut text = Vec::with_capacity(CANONICAL_BYTES_USUAL);
    write_value(value, &mut text)?;
    Ok(text)
}

/// SHA-256 of the canonical form.
pub(crate) fn canonical_hash(value: &Value) -> Result<[u8; 32], Error> {
    canonical(value).map(|text| sha256(&text))
}

/// SHA-256 of an object's canonical form.
pub(crate) fn canonical_object_hash(object: &Map<String, Value>) -> Result<[u8; 32], Error> {
    let mut text = Vec::with_capacity(CANONICAL_BYTES_USUAL);
    write_object(object, &mut text)?;
    Ok(sha256(&text))
}

fn write_value(value: &Value, text: &mut Vec<u8>) -> Result<(), Error> {
    match value {
        Value::Null => text.extend_from_slice(b"null"),
        Value::Bool(true) => text.extend_from_slice(b"true"),
        Value::Bool(false) => text.extend_from_slice(b"false"),
        Value::Number(_) => return write_scalar(serde_json_canonicalizer::to_writer(value, text)),
        Value::String(string) => return write_string(string, text),
        Value::Array(items) => {
            text.push(b'[');
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    text.push(b',');
                }
                write_value(item, text)?;
            }
            text.push(b']');
        }
        Value::Object(object) => return write_object(object, text),
    }
    Ok(())
}

fn write_object(object: &Map<String, Value>, text: &mut Vec<u8>) -> Result<(), Error> {
    let mut fields: Vec<_> = object.iter().collect();
    // §3.2.3: names sort by UTF-16 code units, which is by bytes where all is ASCII.
    if fields.iter().all(|(name, _)| name.is_ascii()) {
        fields.sort_unstable_by_key(|(name, _)| *name);
    } else {
        fields
            .sort_unstable_by(|(one, _), (other, _)| one.encode_utf16().cmp(other.encode_utf16()));
    }
    text.push(b'{');
    for (place, (name, value)) in fields.into_iter().enumerate() {
        if place > 0 {
            text.push(b',');
        }
        write_string(name, text)?;
        text.push(b':');
        write_value(value, text)?;
    }
    text.push(b'}');
    Ok(())
}

/// `serde_json` escapes what §3.2.2.2 says, and nothing else.
fn write_string(string: &str, text: &mut Vec<u8>) -> Result<(), Error> {
    write_scalar(serde_json::to_writer(text, string))
}

fn write_scalar(written: serde_json::Result<()>) -> Result<(), Error> {
    written.map_err(|error| Error::Canonical {
        reason: error.to_string(),
    })
}

/// SHA-256 (FIPS 180-4).
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    digest::digest(&digest::SHA256, bytes)
        .as_ref()
        .try_into()
        .expect("SHA-256 has 32 bytes")
}

#[derive(Clone, Copy)]
struct Reader<'a> {
    ambiguity: &'a Cell<Option<Ambiguity>>,
}

impl Reader<'_> {
    fn note(self, found: Ambiguity) {
        let first = self.ambiguity.take().unwrap_or(found);
        self.ambiguity.set(Some(first));
    }
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::String(text))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Value, E> {
        self.note(Ambiguity::Number);
        Ok(Value::Null)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Value, E> {
        self.note(Ambiguity::Number);
        Ok(Value::Null)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        self.note(Ambiguity::Number);
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = entries.next_key::<String>()? {
            let value = entries.next_value_seed(self)?;
            if name == NUMBER_KEY {
                self.note(Ambiguity::Number);
                return Ok(Value::Null);
            }
            if object.contains_key(&name) {
                self.note(Ambiguity::DuplicateName(name.clone()));
            }
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn ambiguous_texts_are_noticed() {
        let ambiguity = |text: &str| parse(text.as_bytes()).unwrap().ambiguity;
        let twice = |name: &str| Some(Ambiguity::DuplicateName(name.to_owned()));

        assert_eq!(ambiguity(r#"{"a":"1","b":["x",null,true]}"#), None);
        assert_eq!(ambiguity(r#"{"a":"1","a":"1"}"#), twice("a"));
        assert_eq!(ambiguity(r#"{"a":"1","\u0061":"2"}"#), twice("a"));
        assert_eq!(ambiguity(r#"[{"x":{"b":"1","b":"2"}}]"#), twice("b"));
        for number in ["1", "-1", "0.5", "1e400", "123456789012345678901234567890"] {
            assert_eq!(
                ambiguity(&format!(r#"{{"a":[{number}]}}"#)),
                Some(Ambiguity::Number),
                "{number}"
            );
        }
        // The name that the JSON library uses for numbers is not a way around.
        assert_eq!(
            ambiguity(r#"{"$serde_json::private::Number":"5"}"#),
            Some(Ambiguity::Number)
        );
        assert_eq!(
            ambiguity(r#"{"\u0024serde_json::private::Number":"5"}"#),
            Some(Ambiguity::Number)
        );
    }

    #[test]
    fn what_is_not_json_is_refused() {
        for text in [
            "",
            "{",
            r#"{"a":}"#,
            r#"{"a":"\ud800"}"#,
            "{} {}",
            "{\"a\":\"\u{1}\"}",
            "NaN",
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{text:?}");
        }
        assert!(parse(b"\"\xff\"").is_err());
        assert!(parse("[".repeat(100_000).as_bytes()).is_err());
    }

    #[test]
    fn depth_ignores_brackets_in_strings() {
        assert_eq!(depth(b""), 0);
        assert_eq!(depth(br#"{"a":[["]]]"]]}"#), 3);
        assert_eq!(depth(br#"{"a\"{{{":"\\"}"#), 1);
        assert_eq!(depth(&b"[".repeat(1_000_000)), 1_000_000);
    }

    /// The example of RFC 8785 §3.2.3: names sort by UTF-16 code units.
    #[test]
    fn names_sort_as_rfc_8785_says() {
        let value = json!({
            "\u{20ac}": "Euro Sign", "\r": "Carriage Return", "\u{fb33}": "Hebrew Letter Dalet With Dagesh",
            "1": "One", "\u{1f600}": "Emoji: Grinning Face", "\u{80}": "Control", "\u{f6}": "Latin Small Letter O With Diaeresis",
        });
        let text = String::from_utf8(canonical(&value).unwrap()).unwrap();
        let order = [
            "Carriage", "One", "Control", "Latin", "Euro", "Emoji", "Hebrew",
        ];
        let places: Vec<_> = order.iter().map(|word| text.find(word).unwrap()).collect();
        assert!(places.is_sorted(), "{text}");
    }

    fn json_without_numbers() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            ".{0,12}".prop_map(Value::from)
        ];
        leaf.prop_recursive(5, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map(".{0,8}", inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    /// Any JSON, numbers included: what the library writes, this writes.
    fn json_with_numbers() -> impl Strategy<Value = Value> {
        (json_without_numbers(), any::<f64>(), any::<i64>()).prop_map(|(value, float, integer)| {
            let float = if float.is_finite() {
                json!(float)
            } else {
                json!(0.1)
            };
            json!({"a\u{fb33}": value, "a\u{1f600}": float, "b": [integer, -0.0, 1e21, 1e-7]})
        })
    }

    proptest! {
        #[test]
        fn reading_agrees_with_the_library_and_canonical_text_is_a_fixed_point(value in json_without_numbers()) {
            let text = serde_json::to_vec(&value).unwrap();
            let parsed = parse(&text).unwrap();
            prop_assert_eq!(parsed.ambiguity, None);
            prop_assert_eq!(&parsed.value, &value);
            let canonical_text = canonical(&value).unwrap();
            let again = parse(&canonical_text).unwrap();
            prop_assert_eq!(&again.value, &value);
            prop_assert_eq!(canonical(&again.value).unwrap(), canonical_text);
        }

        #[test]
        fn the_canonical_form_is_the_librarys(value in json_with_numbers()) {
            let theirs = serde_json_canonicalizer::to_vec(&value).unwrap();
            prop_assert_eq!(String::from_utf8(canonical(&value).unwrap()), String::from_utf8(theirs));
        }

        #[test]
        fn bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes);
            let _ = depth(&bytes);
        }
    }
}

//! Reads a JSON text (RFC 8259). If the text is invalid, it says what is wrong, in which field and at which character. It knows no
//! field's rules.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value, error::Category};

mod token;

use self::token::{Broken, char_at, walk};
use crate::model::text::{Named, shown};

/// At most this many numbers with too many digits are reported.
const MAX_NUMBERS: usize = 100;

/// JSON in which no object has a duplicate name: RFC 8259 leaves open which of the two counts, so we accept neither.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Self)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Strict(entry)) = entries.next_element()? {
            list.push(entry);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some((name, Strict(value))) = entries.next_entry::<String, _>()? {
            if object.contains_key(&name) {
                return Err(de::Error::custom(format!("duplicate key {}", shown(&name))));
            }
            object.insert(name, value);
        }
        Ok(object.into())
    }
}

/// The value that a text holds.
pub(crate) struct Json {
    pub(crate) value: Value,
    /// The numbers in it that have more digits than are kept, each with its field and what is wrong with it.
    pub(crate) numbers: Vec<(String, String)>,
}

/// Why a text was rejected.
#[derive(Debug)]
pub(crate) enum InvalidJson {
    /// It is not JSON. Holds the end of a sentence about the text.
    Malformed(String),
    /// A number in it is too large for a double.
    Number {
        /// Its field.
        field: String,
        /// What is wrong with it.
        message: String,
    },
}

/// Reads a text. A leading byte order mark is ignored, as RFC 8259, section 8.1, allows.
pub(crate) fn read(text: &[u8]) -> Result<Json, InvalidJson> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    if text.is_empty() {
        return Err(InvalidJson::Malformed("it is empty".to_owned()));
    }
    match serde_json::from_slice(text) {
        Ok(Strict(value)) => {
            let mut numbers = Vec::new();
            walk(text, |token| {
                numbers.extend(token.too_many_digits());
                numbers.len() < MAX_NUMBERS
            });
            Ok(Json { value, numbers })
        }
        Err(error) => Err(fault(text, &error)),
    }
}

fn fault(text: &[u8], error: &serde_json::Error) -> InvalidJson {
    if matches!(text, [0, _, ..] | [_, 0, ..] | [0xfe, 0xff, ..] | [0xff, 0xfe, ..]) {
        return InvalidJson::Malformed("it is encoded in UTF-16 or UTF-32, not UTF-8".to_owned());
    }
    let end = offset(text, error);
    let (mut found, mut last) = (None, 0);
    walk(text, |token| {
        (found, last) = (token.broken(), token.start);
        found.is_none() && token.end <= end
    });
    // For one token only, because a path can be as long as the text.
    let mut path = String::new();
    walk(text, |token| {
        if token.start == last {
            path = token.path();
        }
        token.start < last
    });
    match found {
        Some(Broken::Number { field, message }) => InvalidJson::Number { field, message },
        Some(Broken::Text { at, what }) if at <= end => {
            InvalidJson::Malformed(format!("{what}, {}{}", place(text, at), in_field(&path)))
        }
        _ => InvalidJson::Malformed(format!("{}{}", told(text, end, error), in_field(&path))),
    }
}

/// The parser's message about a fault, with the position in characters.
fn told(text: &[u8], at: usize, error: &serde_json::Error) -> String {
    let words = error.to_string();
    let own = format!(" at line {} column {}", error.line(), error.column());
    let words = words.strip_suffix(&own).unwrap_or(&words);
    match (error.classify(), char_at(text, at)) {
        (Category::Eof, _) => format!("unexpected end, {}", place(text, text.len())),
        // A duplicate name, reported after its second value.
        (Category::Data, _) => format!("{words}, repeated before {}", place(text, at)),
        (_, Some(c)) => format!("{words} at {}, {}", Named(c), place(text, at)),
        (_, None) => format!("{words}, {}", place(text, at)),
    }
}

fn in_field(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!(", in {}", shown(path)) }
}

/// The byte offset of an error in the text: `serde_json` counts lines, and bytes within a line.
fn offset(text: &[u8], error: &serde_json::Error) -> usize {
    let lines = text.split_inclusive(|byte| *byte == b'\n').take(error.line().saturating_sub(1));
    let line: usize = lines.map(<[u8]>::len).sum();
    (line + error.column().saturating_sub(1)).min(text.len())
}

/// A position in the text, for people: `line 1, character 12`.
fn place(text: &[u8], at: usize) -> String {
    let before = String::from_utf8_lossy(&text[..at]);
    let (lines, last) =
        before.rsplit_once('\n').map_or((0, &*before), |(lines, last)| (lines.split('\n').count(), last));
    format!("line {}, character {}", lines + 1, last.chars().count() + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::{token::PATHS, *};

    fn fault_of(text: impl AsRef<[u8]>) -> String {
        match read(text.as_ref()) {
            Err(InvalidJson::Malformed(words)) => words,
            Err(InvalidJson::Number { field, message }) => format!("{field} {message}."),
            Ok(read) => panic!("{} is taken", read.value),
        }
    }

    #[test]
    fn a_byte_order_mark_is_ignored() {
        assert_eq!(read("\u{feff}{\"a\":1}".as_bytes()).unwrap().value, json!({ "a": 1 }));
        assert_eq!(fault_of("\u{feff}"), "it is empty");
        assert_eq!(
            fault_of("\u{feff}\u{feff}{}"),
            "expected value at an invisible character (U+FEFF), line 1, character 1"
        );
        for utf16 in [&b"\xff\xfe{\0}\0"[..], b"\xfe\xff\0{\0}", b"{\0}\0"] {
            assert_eq!(fault_of(utf16), "it is encoded in UTF-16 or UTF-32, not UTF-8");
        }
    }

    #[test]
    fn invalid_json_is_reported_with_its_fault_position_and_field() {
        for (text, words) in [
            (
                r#"{"title":"a\ud83d"}"#,
                r"\ud83d is a lone surrogate: a low surrogate must follow it, line 1, character 12, in title",
            ),
            (
                r#"{"a":{"b":["é","\uD83Dx"]}}"#,
                r"\uD83D is a lone surrogate: a low surrogate must follow it, line 1, character 17, in a.b[1]",
            ),
            (
                r#"{"a":"\ud83d\u0041"}"#,
                r"\ud83d is a lone surrogate: a low surrogate must follow it, line 1, character 7, in a",
            ),
            (
                r#"{"a":"\ud83d\ude00\ude00"}"#,
                r"\ude00 is a lone surrogate: a high surrogate must come before it, line 1, character 19, in a",
            ),
            (
                r#"{"\ud83d":1}"#,
                r"\ud83d is a lone surrogate: a low surrogate must follow it, line 1, character 3, in \ud83d",
            ),
            (
                "{\n  \"a\": \"x\u{7}\"}",
                "a control character (U+0007) in a string must be escaped, line 2, character 10, in a",
            ),
            ("{\"a\":\"🌙\n\"}", "a line break (U+000A) in a string must be escaped, line 1, character 8, in a"),
            ("[\"a\tb\"]", "a tab (U+0009) in a string must be escaped, line 1, character 4, in [0]"),
            (r#"{"a":"C:\dir"}"#, r"\d is not a valid JSON escape, line 1, character 9, in a"),
            (
                r#"{"a":"\u12"}"#,
                r#"\u12" is not a valid escape: \u needs four hexadecimal digits, line 1, character 7, in a"#,
            ),
            ("", "it is empty"),
            ("{\"a\":", "unexpected end, line 1, character 6, in a"),
            ("{\"a\":\"b", "unexpected end, line 1, character 8, in a"),
            ("  ", "unexpected end, line 1, character 3"),
            ("{\"a\":1,}", "trailing comma at \"}\" (U+007D), line 1, character 8, in a"),
            ("{'a':1}", "key must be a string at \"'\" (U+0027), line 1, character 2"),
            ("{\"a\":'b'}", "expected value at \"'\" (U+0027), line 1, character 6, in a"),
            ("{\"a\":NaN}", "expected value at \"N\" (U+004E), line 1, character 6, in a"),
            ("{\"é\":1} x", "trailing characters at \"x\" (U+0078), line 1, character 9, in é"),
            ("{\"a\":1 \"b\":2}", "expected `,` or `}` at \"\"\" (U+0022), line 1, character 8, in a"),
            ("a=1&b=2", "expected value at \"a\" (U+0061), line 1, character 1"),
            (r#"{"a":1,"a":2}"#, "duplicate key a, repeated before line 1, character 13, in a"),
        ] {
            assert_eq!(fault_of(text), words, "{text}");
        }
        assert_eq!(fault_of(b"{\"a\":\"J\xf6rg\"}"), "byte 0xF6 is not valid UTF-8, line 1, character 8, in a");
        assert!(fault_of("[".repeat(200)).starts_with("recursion limit exceeded"));
        assert!(fault_of("[".repeat(200_000)).starts_with("recursion limit exceeded"));
        let long = format!("{{\"{}\":[{}x", "a".repeat(120_000), "1,".repeat(60_000));
        PATHS.set(0);
        assert!(fault_of(long).len() < 300);
        assert_eq!(PATHS.get(), 1, "a path can be as long as the text, so that one for each token would be its square");
    }

    #[test]
    fn a_number_that_would_lose_a_digit_is_reported_by_its_field() {
        assert_eq!(fault_of(r#"{"a":[0,{"b":1E400}]}"#), "a[1].b must be within the range of a double (got 1E400).");
        let numbers = |text: &str| read(text.as_bytes()).unwrap().numbers;
        for (number, digits) in
            [("50000.000000000000001", 20), ("0.1000000000000000055511151231257827", 34), ("-1234567890123456e3", 16)]
        {
            let words = format!("must have at most 15 significant digits (got {digits} in {number})");
            assert_eq!(numbers(&format!("{{\"a\":{number}}}")), [("a".to_owned(), words)]);
        }
        let fine = r#"{"a":[999999999999999,0.000000000000000000001,1e300,1000000000000000000000,1.50000000000000000000,-0,"1234567890123456789"]}"#;
        assert_eq!(numbers(fine), []);
        let many = format!("[{}1]", "0.12345678901234567,".repeat(10_000));
        assert_eq!(numbers(&many).len(), MAX_NUMBERS);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_rejected_in_one_line(bytes in any::<Vec<u8>>(), text in "[\\[\\]{}:,\"\\\\ua-f0-9.eE\\-+\n\u{e9}]{0,40}") {
            for sent in [&bytes[..], text.as_bytes()] {
                match read(sent) {
                    Ok(read) => prop_assert_eq!(read.value, serde_json::from_slice::<Value>(sent.strip_prefix(b"\xef\xbb\xbf").unwrap_or(sent)).unwrap()),
                    Err(InvalidJson::Malformed(words)) => prop_assert!(!words.contains('\n'), "{}", words),
                    Err(InvalidJson::Number { .. }) => {}
                }
            }
        }
    }
}

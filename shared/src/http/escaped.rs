//! Writes JSON as it will stand in Lambda's response, where it is a text within JSON: with its quotes and backslashes escaped. It knows no
//! envelope and no response.
//!
//! Written plainly first, a page would be copied and searched for quotes byte by byte once more.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::{
    Serializer,
    ser::{CharEscape, CompactFormatter, Formatter},
};

/// A value's JSON as a JSON text.
#[derive(Debug, PartialEq)]
pub(crate) struct Escaped {
    /// The text, from its first quote to its last.
    pub(crate) text: Vec<u8>,
    /// The length of the JSON itself.
    pub(crate) plain_len: usize,
}

/// Writes a value.
pub(crate) fn write(value: &impl Serialize) -> serde_json::Result<Escaped> {
    let (mut text, mut escapes) = (vec![b'"'], 0);
    value.serialize(&mut Serializer::with_formatter(&mut text, Escaping { escapes: &mut escapes }))?;
    let plain_len = text.len() - 1 - escapes;
    text.push(b'"');
    Ok(Escaped { text, plain_len })
}

/// Puts a backslash before every quote and backslash.
struct Escaping<'a> {
    /// How many it has added.
    escapes: &'a mut usize,
}

impl Escaping<'_> {
    fn escape<W: ?Sized + Write>(&mut self, writer: &mut W, json: &[u8]) -> io::Result<()> {
        for part in json.split_inclusive(|byte| matches!(byte, b'"' | b'\\')) {
            if let Some((last @ (b'"' | b'\\'), before)) = part.split_last() {
                *self.escapes += 1;
                writer.write_all(before)?;
                writer.write_all(&[b'\\', *last])?;
            } else {
                writer.write_all(part)?;
            }
        }
        Ok(())
    }
}

/// Only these write quotes or backslashes: the fragments of a string contain neither.
impl Formatter for Escaping<'_> {
    fn begin_string<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        *self.escapes += 1;
        writer.write_all(b"\\\"")
    }

    fn end_string<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.begin_string(writer)
    }

    fn write_char_escape<W: ?Sized + Write>(&mut self, writer: &mut W, escape: CharEscape) -> io::Result<()> {
        // The longest is `\u001f`.
        let mut plain = [0; 6];
        let mut rest = &mut plain[..];
        CompactFormatter.write_char_escape(&mut rest, escape)?;
        let len = 6 - rest.len();
        self.escape(writer, &plain[..len])
    }

    fn write_raw_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, json: &str) -> io::Result<()> {
        self.escape(writer, json.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{json, value::RawValue};

    use super::*;

    /// The same in two steps.
    fn written_twice(value: &impl Serialize) -> Escaped {
        let plain = serde_json::to_string(value).unwrap();
        Escaped { text: serde_json::to_vec(&plain).unwrap(), plain_len: plain.len() }
    }

    proptest! {
        #[test]
        fn any_text_is_written_as_json_within_json(text in any::<String>(), key in "\\PC{0,9}") {
            let value = json!({ "text": text, key: [text, null, 1.5, -7, true] });
            prop_assert_eq!(write(&value).unwrap(), written_twice(&value));
        }
    }

    #[test]
    fn every_escape_and_raw_json_are_written_as_json_within_json() {
        let ascii: String = (0..=127_u8).map(char::from).collect();
        let raw = RawValue::from_string(r#"{ "a": "\"\\\u0000/" }"#.to_owned()).unwrap();
        assert_eq!(write(&(&ascii, &raw)).unwrap(), written_twice(&(&ascii, &raw)));
    }
}

//! The `Idempotency-Key` of a write, and the fingerprint by which a repeated request is recognized. It knows no header map and no table.

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Number, Value};
use sha2::{Digest, Sha256};

use crate::model::text::{Found, shown};

/// The most characters of a key.
pub const MAX_KEY_CHARS: usize = 255;

/// How long a key is remembered after the write.
pub const REMEMBERED_HOURS: u64 = 24;

/// A client's key for one write, with the fingerprint of its request. Neither contains what the client sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotency {
    key: String,
    fingerprint: String,
}

impl Idempotency {
    /// The key of a request with this method, path and body. Two bodies are the same if they have the same members with the same values,
    /// in any order and layout. An absent member is not the same as `null`: in an update, they differ.
    pub(crate) fn new(key: &str, method: &str, path: &str, body: &Value) -> Self {
        let mut body = body.clone();
        normalize(&mut body);
        body.sort_all_objects();
        // An id in the path is the same in upper case. Neither the method nor the path contains a line feed.
        let request = format!("{method}\n{}\n{body}", path.to_ascii_lowercase());
        Self { key: digest(key), fingerprint: digest(&request) }
    }

    /// SHA-256 of the key, as text.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// SHA-256 of the request, as text.
    pub(crate) fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Reads the header's values: one text of 1 to 255 printable ASCII characters, bare or as a string in double quotes (RFC 9651, section
    /// 3.3.3). `None`: there is no such header. The error is a whole sentence.
    pub(crate) fn read_key(values: &[&[u8]]) -> Result<Option<String>, String> {
        let value = match values {
            [] => return Ok(None),
            [one] => one.trim_ascii(),
            [_, _, ..] => return Err(MORE_THAN_ONE.to_owned()),
        };
        let text = String::from_utf8_lossy(value);
        if let Some(found) = Found::first(&text, |c| !matches!(c, ' '..='~')) {
            return Err(format!(
                "The Idempotency-Key header contains {found}. A key has only printable ASCII characters."
            ));
        }
        let key = match text.strip_prefix('"') {
            Some(rest) => unquoted(rest)?,
            None => bare(&text)?,
        };
        match key.chars().count() {
            0 => Err("The Idempotency-Key header is empty. Send a unique text, such as a UUID, or omit the header."
                .to_owned()),
            1..=MAX_KEY_CHARS => Ok(Some(key)),
            chars => {
                Err(format!("The Idempotency-Key header must have at most {MAX_KEY_CHARS} characters (got {chars})."))
            }
        }
    }
}

/// API Gateway joins the values of a repeated header with commas.
const MORE_THAN_ONE: &str = "The Idempotency-Key header is given more than once, or contains a comma or a quote outside a string. Send one \
     key. A comma in a key is allowed in double quotes.";

fn bare(text: &str) -> Result<String, String> {
    if text.contains([',', '"']) { Err(MORE_THAN_ONE.to_owned()) } else { Ok(text.to_owned()) }
}

/// The rest of a string after its first quote, up to its last.
fn unquoted(rest: &str) -> Result<String, String> {
    let mut key = String::new();
    let mut chars = rest.chars();
    loop {
        match chars.next() {
            None => return Err("The Idempotency-Key header begins with a quote but doesn't end with one.".to_owned()),
            Some('"') => break,
            Some('\\') => {
                match chars.next() {
                    Some(escaped @ ('"' | '\\')) => key.push(escaped),
                    _ => {
                        return Err("The Idempotency-Key header has a backslash in its string that escapes neither a quote nor a \
                         backslash."
                        .to_owned());
                    }
                }
            }
            Some(c) => key.push(c),
        }
    }
    match chars.as_str() {
        "" => Ok(key),
        more if more.trim_start().starts_with(',') => Err(MORE_THAN_ONE.to_owned()),
        more => Err(format!("The Idempotency-Key header has {} after its string.", shown(more))),
    }
}

/// `1.0` and `1e0` are the number 1.
fn normalize(value: &mut Value) {
    match value {
        Value::Number(number) => {
            if let Some(integer) = number.as_f64().filter(|_| number.is_f64()).and_then(as_integer) {
                *number = integer;
            }
        }
        Value::Array(entries) => entries.iter_mut().for_each(normalize),
        Value::Object(members) => members.values_mut().for_each(normalize),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

/// The integer that a number with a fraction or an exponent is, if it is one.
fn as_integer(number: f64) -> Option<Number> {
    // Up to here, each integer has its own value.
    const LARGEST: f64 = 9_007_199_254_740_991.0;
    if number.fract() != 0.0 || number.abs() > LARGEST {
        return None;
    }
    format!("{number:.0}").parse::<i64>().ok().map(Number::from)
}

fn digest(text: &str) -> String {
    BASE64URL_NOPAD.encode(&Sha256::digest(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fingerprint(method: &str, path: &str, body: &str) -> String {
        Idempotency::new("k", method, path, &serde_json::from_str(body).unwrap()).fingerprint
    }

    #[test]
    fn the_same_request_in_another_form_has_the_same_fingerprint() {
        let first = fingerprint("POST", "/a", r#"{"a":1,"b":{"c":[1,2],"d":null},"e":-0.0}"#);
        for same in [
            r#" { "b" : { "d" : null, "c" : [ 1.0, 2e0 ] } , "a":1.00,"e":0 }"#,
            r#"{"\u0061":10e-1,"b":{"d":null,"c":[1,20e-1]},"e":-0}"#,
        ] {
            assert_eq!(fingerprint("POST", "/A", same), first, "{same}");
        }
        for other in [
            r#"{"a":2,"b":{"c":[1,2],"d":null},"e":0}"#,
            r#"{"a":1,"b":{"c":[2,1],"d":null},"e":0}"#,
            r#"{"a":1,"b":{"c":[1,2]},"e":0}"#,
            r#"{"a":"1","b":{"c":[1,2],"d":null},"e":0}"#,
            r#"{"a":1.5,"b":{"c":[1,2],"d":null},"e":0}"#,
            r#"{"a":1,"b":{"c":[1,2],"d":null,"x":null},"e":0}"#,
            r#"{"A":1,"b":{"c":[1,2],"d":null},"e":0}"#,
        ] {
            assert_ne!(fingerprint("POST", "/a", other), first, "{other}");
        }
        let same = json!({}).to_string();
        let all =
            [("POST", "/a"), ("PUT", "/a"), ("POST", "/b")].map(|(method, path)| fingerprint(method, path, &same));
        assert!(all[0] != all[1] && all[0] != all[2]);
    }

    #[test]
    fn a_key_is_one_printable_text_bare_or_quoted() {
        let read =
            |values: &[&str]| Idempotency::read_key(&values.iter().map(|value| value.as_bytes()).collect::<Vec<_>>());
        assert_eq!(read(&[]), Ok(None));
        let longest = "x".repeat(MAX_KEY_CHARS);
        for (header, key) in [
            ("abc", "abc"),
            (" abc ", "abc"),
            ("\"abc\"", "abc"),
            ("a b\\c;d=e", "a b\\c;d=e"),
            ("\"a,b \"", "a,b "),
            (r#""a\"\\b""#, r#"a"\b"#),
            (&longest, &longest),
            (&format!("\"{longest}\""), &longest),
        ] {
            assert_eq!(read(&[header]), Ok(Some(key.to_owned())), "{header}");
        }
        let message = |values: &[&str]| read(values).unwrap_err();
        for more in [&["a", "a"][..], &["a,a"], &["a, b"], &["\"a\",\"a\""], &["\"a\" , \"b\""], &["a\"b"]] {
            assert_eq!(message(more), MORE_THAN_ONE, "{more:?}");
        }
        for empty in ["", "  ", "\"\""] {
            assert!(message(&[empty]).starts_with("The Idempotency-Key header is empty."), "{empty:?}");
        }
        assert_eq!(
            message(&[&"x".repeat(256)]),
            "The Idempotency-Key header must have at most 255 characters (got 256)."
        );
        assert!(message(&["é"]).contains("U+00E9"), "{}", message(&["é"]));
        assert!(message(&["a\tb"]).contains("U+0009"), "{}", message(&["a\tb"]));
        assert_eq!(message(&["\"a"]), "The Idempotency-Key header begins with a quote but doesn't end with one.");
        assert_eq!(message(&["\"a\"b"]), "The Idempotency-Key header has b after its string.");
        assert!(message(&["\"a\\n\""]).contains("escapes neither"));
    }
}

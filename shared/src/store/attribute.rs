//! Reads DynamoDB's JSON, in which each attribute is wrapped in its type (`{"status":{"S":"open"}}`), as if it were not wrapped. It knows
//! no record and no call.
//!
//! With this, a record is read from a response in one pass. The SDK makes a tree of maps and strings of it first, which costs more than all
//! other work on a page.

use std::fmt;

use data_encoding::BASE64;
use serde::{
    Deserialize, Deserializer,
    de::{self, DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
    forward_to_deserialize_any,
};

/// The type of an attribute, as DynamoDB names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(field_identifier)]
enum Kind {
    S,
    N,
    #[serde(rename = "BOOL")]
    Bool,
    #[serde(rename = "NULL")]
    Null,
    B,
    L,
    M,
    #[serde(rename = "SS")]
    Strings,
    #[serde(rename = "NS")]
    Numbers,
    #[serde(rename = "BS")]
    Binaries,
}

/// The attributes of an item, or of a map in one: a deserializer of its names and unwrapped values.
pub(crate) struct Attributes<D>(pub(crate) D);

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Attributes<D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_map(Members(visitor))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, D::Error> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct seq tuple tuple_struct
        map struct enum identifier ignored_any
    }
}

/// Passes the names of attributes on as they are, and their values unwrapped.
struct Members<T>(T);

impl<'de, V: Visitor<'de>> Visitor<'de> for Members<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("attributes")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        self.0.visit_map(Members(map))
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Members<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        self.0.next_key_seed(seed)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.0.next_value_seed(Wrapped(seed))
    }
}

/// Deserializes an attribute in its wrapping: `{"S":"open"}`.
pub(crate) struct Wrapped<T>(pub(crate) T);

impl<'de, T: DeserializeSeed<'de>> DeserializeSeed<'de> for Wrapped<T> {
    type Value = T::Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<T::Value, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de, T: DeserializeSeed<'de>> Visitor<'de> for Wrapped<T> {
    type Value = T::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an attribute in its type")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T::Value, A::Error> {
        let kind = map.next_key()?.ok_or_else(|| A::Error::custom("an attribute without a value"))?;
        let value = map.next_value_seed(OfKind { kind, seed: self.0 })?;
        match map.next_key::<IgnoredAny>()? {
            None => Ok(value),
            Some(_) => Err(A::Error::custom("an attribute with two values")),
        }
    }
}

/// Deserializes a value of a known type with `seed`.
struct OfKind<T> {
    kind: Kind,
    seed: T,
}

impl<'de, T: DeserializeSeed<'de>> DeserializeSeed<'de> for OfKind<T> {
    type Value = T::Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<T::Value, D::Error> {
        self.seed.deserialize(Content { kind: self.kind, from })
    }
}

/// A value of a known type, without its wrapping.
struct Content<D> {
    kind: Kind,
    from: D,
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Content<D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        match self.kind {
            Kind::S => self.from.deserialize_str(visitor),
            Kind::N => self.from.deserialize_str(Number(visitor)),
            Kind::Bool => self.from.deserialize_bool(visitor),
            Kind::Null => {
                bool::deserialize(self.from)?;
                visitor.visit_unit()
            }
            Kind::B => self.from.deserialize_str(Binary(visitor)),
            Kind::M => Attributes(self.from).deserialize_any(visitor),
            Kind::L => self.from.deserialize_seq(Elements { of: visitor, kind: None }),
            Kind::Strings => self.from.deserialize_seq(Elements { of: visitor, kind: Some(Kind::S) }),
            Kind::Numbers => self.from.deserialize_seq(Elements { of: visitor, kind: Some(Kind::N) }),
            Kind::Binaries => self.from.deserialize_seq(Elements { of: visitor, kind: Some(Kind::B) }),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        if self.kind == Kind::Null { self.deserialize_any(visitor) } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, D::Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        match self.kind {
            Kind::S => self.from.deserialize_enum(name, variants, visitor),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.from.deserialize_ignored_any(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct
        identifier
    }
}

/// The elements of a list, each in its wrapping, or of a set, which all have the same type.
struct Elements<T> {
    of: T,
    kind: Option<Kind>,
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Elements<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list or a set")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<V::Value, A::Error> {
        self.of.visit_seq(Elements { of: seq, kind: self.kind })
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Elements<A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        match self.kind {
            None => self.of.next_element_seed(Wrapped(seed)),
            Some(kind) => self.of.next_element_seed(OfKind { kind, seed }),
        }
    }

    fn size_hint(&self) -> Option<usize> {
        self.of.size_hint()
    }
}

/// Passes on a number that DynamoDB wrote as a text.
struct Number<V>(V);

impl<'de, V: Visitor<'de>> Visitor<'de> for Number<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<V::Value, E> {
        if let Ok(number) = text.parse::<u64>() {
            self.0.visit_u64(number)
        } else if let Ok(number) = text.parse::<i64>() {
            self.0.visit_i64(number)
        } else {
            // Rust's own syntax includes `inf` and `NaN`, which DynamoDB's does not.
            let number = text.parse().ok().filter(|number: &f64| number.is_finite());
            self.0.visit_f64(number.ok_or_else(|| E::custom("not a number"))?)
        }
    }
}

/// Passes on bytes that DynamoDB wrote in base64.
struct Binary<V>(V);

impl<'de, V: Visitor<'de>> Visitor<'de> for Binary<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("base64")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<V::Value, E> {
        self.0.visit_byte_buf(BASE64.decode(text.as_bytes()).map_err(|_| E::custom("not base64"))?)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::de::DeserializeOwned;
    use serde_json::{Value, json};

    use super::*;

    /// What an item reads as.
    fn read<T: DeserializeOwned>(item: &Value) -> Result<T, serde_json::Error> {
        let text = item.to_string();
        T::deserialize(Attributes(&mut serde_json::Deserializer::from_str(&text)))
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Choice {
        One,
        Two,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Inner {
        a: u8,
        b: Option<String>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Newtype(String);

    #[derive(Debug, PartialEq, Deserialize)]
    struct Every {
        text: String,
        newtype: Newtype,
        choice: Choice,
        natural: u64,
        negative: i32,
        decimal: f64,
        flag: bool,
        null: Option<String>,
        absent: Option<String>,
        present: Option<Choice>,
        list: Vec<Inner>,
        map: BTreeMap<String, Option<i64>>,
        inner: Inner,
        strings: Vec<String>,
        numbers: Vec<u16>,
    }

    #[test]
    fn every_type_of_attribute_is_read_and_an_unknown_attribute_skipped() {
        let item = json!({
            "pk": { "S": "ORG#1" },
            "text": { "S": "\"\\\n\u{0}é🌙/" },
            "newtype": { "S": "" },
            "unknown": { "M": { "a": { "L": [{ "NS": ["1", "2"] }, { "BOOL": false }, { "B": "AA==" }] } } },
            "choice": { "S": "two" },
            "natural": { "N": "18446744073709551615" },
            "negative": { "N": "-7" },
            "decimal": { "N": "52000.55" },
            "flag": { "BOOL": true },
            "null": { "NULL": true },
            "present": { "S": "one" },
            "list": { "L": [{ "M": { "a": { "N": "1" }, "b": { "S": "x" } } }, { "M": { "a": { "N": "2" } } }] },
            "map": { "M": { "x": { "N": "1" }, "y": { "NULL": true } } },
            "inner": { "M": { "c": { "BS": [] }, "a": { "N": "3" }, "b": { "NULL": true } } },
            "strings": { "SS": ["a", "b"] },
            "numbers": { "NS": ["1", "20"] },
        });
        let expected = Every {
            text: "\"\\\n\u{0}é🌙/".to_owned(),
            newtype: Newtype(String::new()),
            choice: Choice::Two,
            natural: u64::MAX,
            negative: -7,
            decimal: 52_000.55,
            flag: true,
            null: None,
            absent: None,
            present: Some(Choice::One),
            list: vec![Inner { a: 1, b: Some("x".to_owned()) }, Inner { a: 2, b: None }],
            map: [("x".to_owned(), Some(1)), ("y".to_owned(), None)].into(),
            inner: Inner { a: 3, b: None },
            strings: vec!["a".to_owned(), "b".to_owned()],
            numbers: vec![1, 20],
        };
        assert_eq!(read::<Every>(&item).unwrap(), expected);
    }

    #[test]
    fn an_attribute_of_another_type_or_form_is_not_read() {
        let is_read = |item: Value| read::<BTreeMap<String, u8>>(&item).is_ok();
        assert!(is_read(json!({ "a": { "N": "1" } })));
        for strange in [
            json!({ "a": { "S": "1" } }),
            json!({ "a": { "N": 1 } }),
            json!({ "a": { "N": "256" } }),
            json!({ "a": { "N": "-1" } }),
            json!({ "a": { "N": "NaN" } }),
            json!({ "a": { "N": "" } }),
            json!({ "a": { "NULL": true } }),
            json!({ "a": { "X": "1" } }),
            json!({ "a": { "N": "1", "S": "1" } }),
            json!({ "a": {} }),
            json!({ "a": "1" }),
            json!({ "a": 1 }),
            json!([]),
        ] {
            assert!(!is_read(strange.clone()), "{strange}");
        }
    }
}

//! The bodies of responses to `GetItem` and `Query`, and the records in them. It knows no call.

use std::{borrow::Cow, collections::HashMap, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{
        DeserializeSeed, Error, IgnoredAny, IntoDeserializer, MapAccess, SeqAccess, Visitor,
        value::MapAccessDeserializer,
    },
};

use crate::store::{
    attribute::{Attributes, Wrapped},
    item::{Item, string},
};

/// A row of a list.
#[derive(Debug, PartialEq)]
pub(crate) struct Row<T> {
    pub(crate) record: T,
    /// Its position in the list.
    pub(crate) sort_key: String,
}

/// What one Query returns.
#[derive(Debug, PartialEq)]
pub(crate) struct QueryPage<T> {
    pub(crate) rows: Vec<Row<T>>,
    /// Where the next Query continues. `None`: there are no more rows.
    pub(crate) last_key: Option<Item>,
    /// The length of the body.
    pub(crate) bytes: usize,
}

/// Reads the whole body with `seed`.
pub(super) fn read<'de, S: DeserializeSeed<'de>>(body: &'de str, seed: S) -> serde_json::Result<S::Value> {
    let mut from = serde_json::Deserializer::from_str(body);
    let value = seed.deserialize(&mut from)?;
    from.end()?;
    Ok(value)
}

/// A response to `GetItem`: `{"Item":{…}}`, or `{}` if the item does not exist.
pub(super) struct RecordBody<T>(PhantomData<fn() -> T>);

impl<T> RecordBody<T> {
    pub(super) fn new() -> Self {
        Self(PhantomData)
    }
}

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for RecordBody<T> {
    type Value = Option<T>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Option<T>, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for RecordBody<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a response to GetItem")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<T>, A::Error> {
        let mut record = None;
        while let Some(Name(name)) = map.next_key()? {
            match &*name {
                "Item" => record = Some(map.next_value_seed(Record(PhantomData))?),
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(record)
    }
}

/// A response to a Query: `{"Items":[…],"Count":2,"LastEvaluatedKey":{…}}`.
pub(super) struct RowsBody<T> {
    sort_key: &'static str,
    record: PhantomData<fn() -> T>,
}

impl<T> RowsBody<T> {
    /// `sort_key`: the attribute that the rows are sorted by.
    pub(super) fn new(sort_key: &'static str) -> Self {
        Self { sort_key, record: PhantomData }
    }

    /// The same body, with records of another type.
    pub(super) fn of<U>(&self) -> RowsBody<U> {
        RowsBody::new(self.sort_key)
    }
}

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for RowsBody<T> {
    type Value = QueryPage<T>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<QueryPage<T>, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for RowsBody<T> {
    type Value = QueryPage<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a response to Query")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<QueryPage<T>, A::Error> {
        let (mut rows, mut count, mut last_key) = (None, None, None);
        while let Some(Name(name)) = map.next_key()? {
            match &*name {
                "Items" => rows = Some(map.next_value_seed(RowList(self.of::<T>()))?),
                "Count" => count = Some(map.next_value::<usize>()?),
                // Every key is made of texts.
                "LastEvaluatedKey" => {
                    let key: HashMap<String, String> = map.next_value_seed(Record(PhantomData))?;
                    last_key = Some(key.into_iter().map(|(name, value)| (name, string(value))).collect());
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        let rows: Vec<Row<T>> = rows.ok_or_else(|| A::Error::missing_field("Items"))?;
        let count = count.ok_or_else(|| A::Error::missing_field("Count"))?;
        if count != rows.len() {
            return Err(A::Error::invalid_length(rows.len(), &"as many rows as counted"));
        }
        Ok(QueryPage { rows, last_key, bytes: 0 })
    }
}

/// The rows of a Query.
struct RowList<T>(RowsBody<T>);

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for RowList<T> {
    type Value = Vec<Row<T>>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Vec<Row<T>>, D::Error> {
        from.deserialize_seq(self)
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for RowList<T> {
    type Value = Vec<Row<T>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("rows")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<Row<T>>, A::Error> {
        let mut rows = Vec::new();
        while let Some(row) = seq.next_element_seed(OneRow(self.0.of::<T>()))? {
            rows.push(row);
        }
        Ok(rows)
    }
}

/// One row of a Query.
struct OneRow<T>(RowsBody<T>);

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for OneRow<T> {
    type Value = Row<T>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Row<T>, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for OneRow<T> {
    type Value = Row<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a row")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Row<T>, A::Error> {
        let mut sort_key = None;
        let noting = NotingSortKey { map, name: self.0.sort_key, is_next: false, sort_key: &mut sort_key };
        let record = T::deserialize(MapAccessDeserializer::new(noting))?;
        let sort_key = sort_key.ok_or_else(|| A::Error::missing_field(self.0.sort_key))?;
        Ok(Row { record, sort_key })
    }
}

/// The attributes of a row, one of which is noted as it passes.
struct NotingSortKey<'a, A> {
    map: A,
    name: &'static str,
    /// Whether the next value is the sort key.
    is_next: bool,
    sort_key: &'a mut Option<String>,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for NotingSortKey<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        let Some(Name(name)) = self.map.next_key()? else { return Ok(None) };
        self.is_next = name == self.name;
        seed.deserialize(name.into_deserializer()).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        if !self.is_next {
            return self.map.next_value_seed(Wrapped(seed));
        }
        let sort_key: String = self.map.next_value_seed(Wrapped(PhantomData))?;
        let value = seed.deserialize(sort_key.as_str().into_deserializer())?;
        *self.sort_key = Some(sort_key);
        Ok(value)
    }
}

/// The record in an item.
struct Record<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for Record<T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<T, D::Error> {
        T::deserialize(Attributes(from))
    }
}

/// A name in JSON, which is borrowed unless it has escapes.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Job {
        id: String,
        title: Option<String>,
    }

    fn rows(body: &Value) -> serde_json::Result<QueryPage<Job>> {
        read(&body.to_string(), RowsBody::new("sk"))
    }

    fn job(id: &str) -> Value {
        json!({ "sk": { "S": format!("sort {id}") }, "pk": { "S": "ORG#1" }, "id": { "S": id }, "title": { "S": "Nurse" } })
    }

    #[test]
    fn rows_are_read_with_their_sort_keys_and_where_to_continue() {
        let body = json!({
            "Count": 2,
            "Items": [job("1"), { "id": { "S": "2" }, "sk": { "S": "a\"b" } }],
            "ScannedCount": 2,
            "ConsumedCapacity": { "CapacityUnits": 0.5 },
            "LastEvaluatedKey": { "pk": { "S": "ORG#1" }, "sk": { "S": "a\"b" } },
        });
        let title = Some("Nurse".to_owned());
        let expected = QueryPage {
            rows: vec![
                Row { record: Job { id: "1".to_owned(), title }, sort_key: "sort 1".to_owned() },
                Row { record: Job { id: "2".to_owned(), title: None }, sort_key: "a\"b".to_owned() },
            ],
            last_key: Some(Item::from([("pk".to_owned(), string("ORG#1")), ("sk".to_owned(), string("a\"b"))])),
            bytes: 0,
        };
        assert_eq!(rows(&body).unwrap(), expected);
        let none = rows(&json!({ "Items": [], "Count": 0 })).unwrap();
        assert_eq!((none.rows.len(), none.last_key), (0, None));
    }

    #[test]
    fn a_record_may_contain_its_sort_key() {
        let body = json!({ "Items": [job("1")], "Count": 1 }).to_string();
        let read: QueryPage<Job> = read(&body, RowsBody::new("id")).unwrap();
        assert_eq!((&*read.rows[0].record.id, &*read.rows[0].sort_key), ("1", "1"));
    }

    #[test]
    fn a_body_without_what_a_query_always_returns_is_not_read() {
        let row = job("1");
        for strange in [
            json!({}),
            json!({ "Items": [row] }),
            json!({ "Count": 1 }),
            json!({ "Items": [row], "Count": 0 }),
            json!({ "Items": [], "Count": 1 }),
            json!({ "Items": null, "Count": 0 }),
            json!({ "Items": [{ "id": { "S": "1" } }], "Count": 1 }),
            json!({ "Items": [{ "sk": { "S": "1" } }], "Count": 1 }),
            json!({ "Items": [row], "Count": 1, "LastEvaluatedKey": {"pk": "x"} }),
            json!([]),
        ] {
            assert!(rows(&strange).is_err(), "{strange}");
        }
    }

    #[test]
    fn a_body_cut_anywhere_is_not_read() {
        let body = json!({ "Items": [job("1"), job("2")], "Count": 2 }).to_string();
        let item = json!({ "Item": job("1") }).to_string();
        for end in 0..body.len() {
            assert!(read(&body[..end], RowsBody::<Job>::new("sk")).is_err(), "{}", &body[..end]);
        }
        for end in 0..item.len() {
            assert!(read(&item[..end], RecordBody::<Job>::new()).is_err(), "{}", &item[..end]);
        }
        assert!(read(&format!("{item}}}"), RecordBody::<Job>::new()).is_err());
    }

    #[test]
    fn a_record_is_read_and_an_absent_one_is_none() {
        let record = |body: &Value| read(&body.to_string(), RecordBody::<Job>::new());
        let expected = Job { id: "1".to_owned(), title: Some("Nurse".to_owned()) };
        assert_eq!(record(&json!({ "Item": job("1"), "ConsumedCapacity": {} })).unwrap(), Some(expected));
        assert_eq!(record(&json!({})).unwrap(), None);
        assert!(record(&json!({ "Item": {} })).is_err());
    }
}

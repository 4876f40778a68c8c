//! Reads the fields of a JSON body, and notes every problem rather than only the first. It knows no status and no record.
//!
//! A type that can be read from a body names its fields once, in [`FromFields::from_fields`]. Any other field in the body is unknown
//! or read-only, and an error either way. The same lines describe the body for OpenAPI.

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::{
    ToSchema,
    openapi::{RefOr, Schema},
};

use crate::model::{
    closed_set::closed_set,
    id::{ApplicationId, CandidateId, InvalidId, JobId, StageId},
};

/// At most this many problems are listed, with this many characters of each field's name, because the response to a garbage body must
/// fit in Lambda's response limit (6 MB).
const MAX_PROBLEMS: usize = 100;
const MAX_FIELD_CHARS: usize = 200;

/// A type that can be read from a body.
pub trait FromFields: Sized {
    /// The object that has these fields. Its docs describe them.
    type Object: ToSchema;

    /// Fields that the object has but this request can't set.
    const READ_ONLY: &'static [&'static str];

    /// A valid body, for the documentation.
    fn example() -> Value;

    /// Reads all fields. Returns `None` only after noting a problem. It asks for every field before it gives up on one, so that all
    /// problems are reported, and so that the fields can be described.
    fn from_fields(fields: &mut impl Fields) -> Option<Self>;
}

/// The fields of an object: either of a body being read, or of one being described.
pub trait Fields {
    /// A field that must be present and not `null`.
    fn required<T: Field>(&mut self, name: &'static str) -> Option<T>;

    /// A field that may be omitted or `null`, which mean the same.
    fn optional<T: Field>(&mut self, name: &'static str) -> Option<T>;

    /// Like [`optional`](Self::optional), and `default` if it is omitted.
    fn optional_or<T: Field + Serialize>(&mut self, name: &'static str, default: T) -> T;

    /// A field that may be omitted, but not `null`.
    fn keep_or_set<T: Field>(&mut self, name: &'static str) -> Option<T>;

    /// An update of an optional field: `None` leaves it, `Some(None)` clears it.
    fn change<T: Field>(&mut self, name: &'static str) -> Option<Option<T>>;

    /// Whether the body has this field with a value other than `null`.
    fn mentions(&self, name: &str) -> bool;

    /// Notes a problem with the field.
    fn note(&mut self, name: &str, code: Problem, message: &str);
}

/// A type that one field can be read as.
pub trait Field: Sized {
    /// Reads the value at the path `at`. Returns `None` only after noting a problem.
    fn parse(value: &Value, at: &str, problems: &mut Problems) -> Option<Self>;

    /// Its schema in a body.
    fn describe(schemas: &mut impl Describer) -> RefOr<Schema>;
}

/// An object's id, which can be in a path, a query or a body.
pub trait ObjectId: Field + ToSchema {}

/// Describes fields for OpenAPI: [`contract::schemas`](crate::contract::schemas).
pub trait Describer {
    /// A reference to a type's own schema.
    fn refer<T: ToSchema>(&mut self) -> RefOr<Schema>;

    /// A reference to the schema of the fields that make up `T`.
    fn refer_fields<T: FromFields>(&mut self, name: &'static str) -> RefOr<Schema>;
}

/// A problem with a field of a body, or with a query parameter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Detail {
    /// The field as a path: `title`, `salary.min`, `skills[3]`; empty for the body itself.
    pub field: String,
    /// What is wrong with it, for programs.
    pub code: Problem,
    /// What is wrong with it, for people.
    pub message: String,
}

closed_set! {
    /// What can be wrong with a field or a parameter.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
    Problem {
        /// The value is missing or `null`.
        Required = "required",
        /// The value has the wrong JSON type.
        InvalidType = "invalid_type",
        /// The value is not one of those allowed.
        InvalidValue = "invalid_value",
        /// Wrong format for this type.
        InvalidFormat = "invalid_format",
        /// The text is shorter than allowed.
        TooShort = "too_short",
        /// The text or array is longer than allowed.
        TooLong = "too_long",
        /// The number is out of range or too precise.
        OutOfRange = "out_of_range",
        /// The ID does not match any object in your organization.
        NotFound = "not_found",
        /// This request can't set the field.
        ReadOnly = "read_only",
        /// The field or parameter is not supported here.
        Unknown = "unknown",
        /// The parameter is given more than once.
        Duplicate = "duplicate",
    }
}

/// The problems found until now.
#[derive(Debug, Default)]
pub struct Problems(Vec<Detail>);

impl Problems {
    /// Notes a problem. Returns `None`, so that a parser can end with it.
    pub fn note<T>(&mut self, at: &str, code: Problem, message: impl Into<String>) -> Option<T> {
        let field: String = at.chars().take(MAX_FIELD_CHARS).collect();
        // Once per field and code: a number with too many digits may also be too large.
        let is_new = self.0.iter().all(|noted| noted.field != field || noted.code != code);
        if self.0.len() < MAX_PROBLEMS && is_new {
            // The message is a whole sentence, so that it can be shown on its own: "title must not be empty."
            let subject = if field.is_empty() { "The body" } else { &field };
            let message = format!("{subject} {}.", message.into());
            self.0.push(Detail { field, code, message });
        }
        None
    }

    pub(crate) fn into_details(self) -> Vec<Detail> {
        self.0
    }

    /// Notes that the value has the wrong JSON type.
    pub fn wrong_type<T>(&mut self, at: &str, wanted: &str, got: &Value) -> Option<T> {
        let got = match got {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::Array(_) => "an array",
            Value::Object(_) => "an object",
        };
        self.note(at, Problem::InvalidType, format!("must be {wanted}, not {got}"))
    }

    /// Whether there are no problems.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The fields of one JSON object, and which of them the type has asked for.
#[derive(Debug)]
pub struct Reader<'a> {
    object: &'a Map<String, Value>,
    at: &'a str,
    /// In the order in which the type asks for them.
    known: Vec<&'static str>,
    problems: &'a mut Problems,
}

impl<'a> Reader<'a> {
    /// Reads the object at the path `at`, and notes the fields that `T` does not know.
    pub fn nested<T: FromFields>(value: &Value, at: &str, problems: &mut Problems) -> Option<T> {
        let Value::Object(object) = value else {
            return problems.wrong_type(at, "an object", value);
        };
        let mut fields = Reader { object, at, known: Vec::new(), problems };
        let parsed = T::from_fields(&mut fields);
        for name in object.keys().filter(|name| !fields.known.contains(&name.as_str())) {
            let at = path(at, name);
            if T::READ_ONLY.contains(&name.as_str()) {
                fields.problems.note::<()>(&at, Problem::ReadOnly, "can't be set in this request");
            } else {
                let message = format!("is not a supported field (supported: {})", fields.known.join(", "));
                fields.problems.note::<()>(&at, Problem::Unknown, message);
            }
        }
        parsed
    }

    fn take(&mut self, name: &'static str) -> Option<&'a Value> {
        self.known.push(name);
        self.object.get(name)
    }
}

impl Fields for Reader<'_> {
    fn required<T: Field>(&mut self, name: &'static str) -> Option<T> {
        match self.take(name) {
            None => self.problems.note(&path(self.at, name), Problem::Required, "is required"),
            Some(Value::Null) => self.problems.note(&path(self.at, name), Problem::Required, "must not be null"),
            Some(value) => T::parse(value, &path(self.at, name), self.problems),
        }
    }

    fn optional<T: Field>(&mut self, name: &'static str) -> Option<T> {
        self.change(name).flatten()
    }

    fn optional_or<T: Field + Serialize>(&mut self, name: &'static str, default: T) -> T {
        self.optional(name).unwrap_or(default)
    }

    fn keep_or_set<T: Field>(&mut self, name: &'static str) -> Option<T> {
        if self.take(name)?.is_null() {
            return self.problems.note(&path(self.at, name), Problem::Required, "must not be null");
        }
        self.required(name)
    }

    fn change<T: Field>(&mut self, name: &'static str) -> Option<Option<T>> {
        match self.take(name)? {
            Value::Null => Some(None),
            value => T::parse(value, &path(self.at, name), self.problems).map(Some),
        }
    }

    fn mentions(&self, name: &str) -> bool {
        self.object.get(name).is_some_and(|value| !value.is_null())
    }

    fn note(&mut self, name: &str, code: Problem, message: &str) {
        self.problems.note::<()>(&path(self.at, name), code, message);
    }
}

fn path(at: &str, name: &str) -> String {
    if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") }
}

/// A reference to another object.
macro_rules! references {
    ($($id:ident)*) => {$(
        impl Field for $id {
            fn parse(value: &Value, at: &str, problems: &mut Problems) -> Option<Self> {
                let Value::String(text) = value else {
                    return problems.wrong_type(at, "a string", value);
                };
                match text.parse() {
                    Ok(id) => Some(id),
                    Err(wrong) => problems.note::<Self>(at, Problem::InvalidFormat, InvalidId::to_string(&wrong)),
                }
            }

            fn describe(schemas: &mut impl Describer) -> RefOr<Schema> {
                schemas.refer::<Self>()
            }
        }

        impl ObjectId for $id {}
    )*};
}

references! { JobId CandidateId StageId ApplicationId }

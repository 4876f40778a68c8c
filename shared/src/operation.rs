//! What an operation takes and answers, told by its handler's signature; a [`Doc`] adds only what no type can tell.
//!
//! `Caller<JobsRead>` tells the scope and what a key can be refused for, `Query<ListJobs>` the parameters, `Json<NewJob>` the
//! body, `Listed<Job>` the answer, and each its errors. The `openapi` crate makes the OpenAPI document of it. In a function's
//! own build nothing is described.

use std::{borrow::Cow, collections::BTreeMap};

use axum::extract::State;
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ObjectBuilder, Ref, RefOr, Schema,
        schema::{SchemaType, Type},
    },
};

use crate::{
    auth::{Caller, Holder},
    body::{Field, Fields, FromFields},
    envelope::{Created, Data, Updated},
    error::{ApiError, ErrorCode, Problem},
    extract::{FromParams, IfMatch, Json, Params, Path, Query},
    page::{DEFAULT_LIMIT, Listed, PageRequest},
    scope::{RequiredScope, Scope},
    value::{Choice, Email},
};

/// What is to be known of every partial update.
pub const PARTIAL: &str =
    "Changes the fields that the body names: an absent field stays, `null` clears an optional one.";

/// The words for an operation, which its types can't tell.
#[derive(Clone, Copy, Debug)]
pub struct Doc {
    /// Its name in generated clients: `listJobs`.
    pub id: &'static str,
    /// What it does, in a few words.
    pub summary: &'static str,
    /// What is to be known of it, in Markdown.
    pub about: &'static str,
    /// What its rules can refuse, beyond what its types can.
    pub refusals: &'static [ErrorCode],
}

impl Doc {
    /// An operation that does what its summary says.
    #[must_use]
    pub const fn new(id: &'static str, summary: &'static str) -> Self {
        Self { id, summary, about: "", refusals: &[] }
    }

    /// With more to be known.
    #[must_use]
    pub const fn about(self, about: &'static str) -> Self {
        Self { about, ..self }
    }

    /// With refusals of its own.
    #[must_use]
    pub const fn refuses(self, refusals: &'static [ErrorCode]) -> Self {
        Self { refusals, ..self }
    }
}

/// What an operation takes and answers.
#[derive(Debug, Default)]
pub struct Operation {
    /// The scope that it demands; `None`: any valid key will do.
    pub scope: Option<Scope>,
    /// The kinds of the ids in its path, in the path's order.
    pub path: Vec<Cow<'static, str>>,
    /// The parameters of its query.
    pub query: Vec<(&'static str, Value)>,
    /// Whether it takes `If-Match`.
    pub if_match: bool,
    /// The name of its body's schema, and an example.
    pub body: Option<(&'static str, Value)>,
    /// What it answers when all is well.
    pub answer: Option<Success>,
    /// The codes it can fail with.
    pub errors: Vec<ErrorCode>,
    /// The schemas that all these refer to.
    pub schemas: Schemas,
}

/// An answer when all is well.
#[derive(Debug)]
pub struct Success {
    /// The HTTP status.
    pub status: u16,
    /// The name of the schema of the object, or of a list's rows.
    pub data: Cow<'static, str>,
    /// Whether it is a page of a list.
    pub is_list: bool,
    /// Whether it has an `ETag`.
    pub has_version: bool,
    /// Whether a key must be able to read the object to be shown it; otherwise it is answered 204.
    pub needs_read: bool,
}

/// The schemas of types, each by its name.
#[derive(Debug, Default)]
pub struct Schemas(pub BTreeMap<String, Value>);

impl Schemas {
    /// A reference to a type's schema.
    pub fn refer<T: ToSchema>(&mut self) -> RefOr<Schema> {
        let mut all = vec![(T::name().into_owned(), T::schema())];
        T::schemas(&mut all);
        self.0.extend(all.into_iter().map(|(name, schema)| (name, to_json(&schema))));
        Ref::from_schema_name(T::name()).into()
    }

    /// A reference to the schema of what `T` is read of.
    pub fn refer_fields<T: FromFields>(&mut self, name: &'static str) -> RefOr<Schema> {
        let words = to_json(&<T::Object as PartialSchema>::schema());
        let about = words.get("description").cloned();
        let mut described = Described { words, properties: Map::new(), required: Vec::new(), schemas: self };
        let _ = T::from_fields(&mut described);
        let Described { properties, required, .. } = described;
        let mut schema = json!({ "type": "object", "properties": properties, "additionalProperties": false });
        if !required.is_empty() {
            schema["required"] = json!(required);
        }
        if let Some(about) = about {
            schema["description"] = about;
        }
        self.0.insert(name.to_owned(), schema);
        Ref::from_schema_name(name).into()
    }
}

fn to_json(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

/// Tells each type's schema, where it is not derived of its fields.
macro_rules! schemas {
    ($($name:ident: $schema:expr;)+) => {$(
        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                $schema.into()
            }
        }

        impl utoipa::ToSchema for $name {}
    )+};
}
pub(crate) use schemas;

/// A schema of one type, to be made more precise.
#[must_use]
pub fn simple(kind: Type) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::new(kind))
}

/// The schema of a closed set, whose description tells what each value means.
#[must_use]
pub fn choice(about: &str, values: &[(&str, &str)]) -> RefOr<Schema> {
    let meanings = values.iter().map(|(value, meaning)| format!("\n- `{value}`: {}", meaning.trim()));
    let about = about.trim().to_owned() + "\n" + &meanings.collect::<String>();
    simple(Type::String).description(Some(about)).enum_values(Some(values.iter().map(|(value, _)| *value))).into()
}

/// A body's fields, as they are described instead of read.
struct Described<'a> {
    /// The schema of the object whose fields these are.
    words: Value,
    properties: Map<String, Value>,
    required: Vec<&'static str>,
    schemas: &'a mut Schemas,
}

impl Described<'_> {
    fn add<T: Field>(&mut self, name: &'static str, nullable: bool) -> &mut Value {
        let mut schema = to_json(&T::describe(self.schemas));
        if nullable {
            schema = json!({ "oneOf": [schema, { "type": "null" }] });
        }
        let word = &self.words["properties"][name];
        // The words for what can be `null` stand at what it is otherwise.
        if let Some(about) = word.get("description").or_else(|| word["oneOf"][0].get("description")) {
            schema["description"] = about.clone();
        }
        self.properties.entry(name).or_insert(schema)
    }
}

impl Fields for Described<'_> {
    fn required<T: Field>(&mut self, name: &'static str) -> Option<T> {
        self.add::<T>(name, false);
        self.required.push(name);
        None
    }

    fn optional<T: Field>(&mut self, name: &'static str) -> Option<T> {
        self.add::<T>(name, true);
        None
    }

    /// The default is told in words: from a schema's `default`, generators of clients make a field that must be given.
    fn optional_or<T: Field + Serialize>(&mut self, name: &'static str, default: T) -> T {
        let told = to_json(&default).to_string().replace('"', "");
        let schema = self.add::<T>(name, true).clone();
        // In place of the kind's own words, which begin it, and then list the values.
        let own = schema["description"].as_str();
        let kind = schema["oneOf"][0]["$ref"].as_str().and_then(|name| name.rsplit('/').next()).unwrap_or_default();
        let kind = self.schemas.0.get(kind).and_then(|kind| kind["description"].as_str()).unwrap_or_default();
        let about = own.or_else(|| kind.split("\n\n").next()).unwrap_or_default();
        let told = format!("{about} Without it, `{told}`.");
        if let Some(schema) = self.properties.get_mut(name) {
            schema["description"] = told.trim_start().into();
        }
        default
    }

    fn keep_or_set<T: Field>(&mut self, name: &'static str) -> Option<T> {
        self.add::<T>(name, false);
        None
    }

    fn change<T: Field>(&mut self, name: &'static str) -> Option<Option<T>> {
        self.add::<T>(name, true);
        None
    }

    fn mentions(&self, _: &str) -> bool {
        true
    }

    fn note(&mut self, _: &str, _: Problem, _: &str) {}
}

impl Params for Operation {
    fn choice<T: Choice>(&mut self, name: &'static str) -> Option<T> {
        let schema = to_json(&self.schemas.refer::<T>());
        self.query.push((name, schema));
        None
    }

    fn email(&mut self, name: &'static str) -> Option<Email> {
        let schema = to_json(&self.schemas.refer::<Email>());
        self.query.push((name, schema));
        None
    }
}

/// Something that a handler takes.
pub trait Part {
    /// Tells what it demands, and what can be wrong with it.
    fn describe(operation: &mut Operation);
}

impl<S> Part for State<S> {
    fn describe(_: &mut Operation) {}
}

impl Part for Holder {
    fn describe(operation: &mut Operation) {
        operation.errors.extend([ErrorCode::MissingApiKey, ErrorCode::InvalidApiKey, ErrorCode::RateLimitExceeded]);
    }
}

impl<S: RequiredScope> Part for Caller<S> {
    fn describe(operation: &mut Operation) {
        operation.scope = Some(S::SCOPE);
        operation.errors.extend([
            ErrorCode::MissingApiKey,
            ErrorCode::InvalidApiKey,
            ErrorCode::InsufficientScope,
            ErrorCode::PlanNoApiAccess,
            ErrorCode::RateLimitExceeded,
            ErrorCode::MonthlyQuotaExceeded,
        ]);
    }
}

/// An object's id, as it stands in a path.
pub trait PathId: ToSchema {}

/// The ids of a path: one, or two.
pub trait PathIds {
    /// Names their kinds.
    fn describe(operation: &mut Operation);
}

impl<T: PathId> PathIds for T {
    fn describe(operation: &mut Operation) {
        operation.schemas.refer::<T>();
        operation.path.push(T::name());
    }
}

impl<T: PathId, U: PathId> PathIds for (T, U) {
    fn describe(operation: &mut Operation) {
        T::describe(operation);
        U::describe(operation);
    }
}

impl<T: PathIds> Part for Path<T> {
    fn describe(operation: &mut Operation) {
        T::describe(operation);
        operation.errors.push(ErrorCode::NotFound);
    }
}

impl<T: FromParams> Part for Query<T> {
    fn describe(operation: &mut Operation) {
        let _ = T::from_params(operation, PageRequest::new(DEFAULT_LIMIT, None, String::new()));
        operation.errors.extend([ErrorCode::InvalidParameter, ErrorCode::InvalidCursor]);
    }
}

impl Part for IfMatch {
    fn describe(operation: &mut Operation) {
        operation.if_match = true;
        operation.errors.push(ErrorCode::VersionConflict);
    }
}

impl<T: FromFields> Part for Json<T> {
    fn describe(operation: &mut Operation) {
        let name = short_name::<T>();
        operation.schemas.refer_fields::<T>(name);
        operation.body = Some((name, T::example()));
        operation.errors.extend([
            ErrorCode::MalformedJson,
            ErrorCode::PayloadTooLarge,
            ErrorCode::UnsupportedMediaType,
            ErrorCode::ValidationError,
        ]);
    }
}

/// A type's name without its path.
fn short_name<T>() -> &'static str {
    let name = std::any::type_name::<T>();
    name.rsplit("::").next().unwrap_or(name)
}

/// Something that a handler answers.
pub trait Answer {
    /// Tells its status and shape.
    fn describe(operation: &mut Operation);
}

fn success<T: ToSchema>(operation: &mut Operation, status: u16, is_list: bool) {
    operation.schemas.refer::<T>();
    let has_version = to_json(&T::schema())["properties"].get("version").is_some();
    let has_version = has_version && !is_list;
    operation.answer = Some(Success { status, data: T::name(), is_list, has_version, needs_read: false });
}

impl<T: ToSchema> Answer for Data<T> {
    fn describe(operation: &mut Operation) {
        success::<T>(operation, 200, false);
    }
}

impl<T: ToSchema> Answer for Updated<T> {
    fn describe(operation: &mut Operation) {
        success::<T>(operation, 200, false);
        if let Some(answer) = &mut operation.answer {
            answer.needs_read = true;
        }
    }
}

impl<T: ToSchema> Answer for Created<T> {
    fn describe(operation: &mut Operation) {
        success::<T>(operation, 201, false);
    }
}

impl<T: ToSchema> Answer for Listed<T> {
    fn describe(operation: &mut Operation) {
        success::<T>(operation, 200, true);
    }
}

impl<T: Answer> Answer for Result<T, ApiError> {
    fn describe(operation: &mut Operation) {
        T::describe(operation);
        operation.errors.extend([ErrorCode::BadRequest, ErrorCode::InternalError, ErrorCode::ServiceUnavailable]);
    }
}

/// An answer that a write may give: none shows a key what it has no scope to read. A new object is what its creator has sent.
pub trait WriteAnswer {}

impl<T> WriteAnswer for Updated<T> {}

impl<T> WriteAnswer for Created<T> {}

impl<T: WriteAnswer> WriteAnswer for Result<T, ApiError> {}

/// A handler whose signature tells all of this. `T` is axum's own marker: the extractors that it takes.
pub trait Describe<T> {
    /// What it answers.
    type Answer: Answer;

    /// What the handler takes and answers.
    fn describe(operation: &mut Operation);
}

macro_rules! handlers {
    ($([$($part:ident),+])*) => {$(
        impl<F, Fut, Output, M, $($part,)+> Describe<(M, $($part,)+)> for F
        where
            F: Fn($($part),+) -> Fut,
            Fut: Future<Output = Output>,
            Output: Answer,
            $($part: Part,)+
        {
            type Answer = Output;

            fn describe(operation: &mut Operation) {
                $($part::describe(operation);)+
                Output::describe(operation);
            }
        }
    )*};
}

handlers! { [A] [A, B] [A, B, C] [A, B, C, D] [A, B, C, D, E] }

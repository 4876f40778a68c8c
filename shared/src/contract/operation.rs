//! What an operation takes and returns, derived from its handler's signature. A [`Doc`] adds only what no type can express. It knows no
//! operation.
//!
//! `Caller<JobsRead>` describes the scope and why a key can be rejected, `Query<ListJobs>` the parameters, `Sent<NewJob>` the body,
//! `Listed<Job>` the response, and each its errors. The `openapi` crate builds the OpenAPI document from this. In a function's own
//! build, nothing is described.

use std::borrow::Cow;

use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    contract::{
        error_code::ErrorCode,
        schemas::{Schemas, to_json},
    },
    model::{
        field::{Describer, ObjectId},
        param::Params,
        scope::Scope,
        value::{Choice, Email, ShortText},
    },
};

/// The text that every partial update's description shares.
pub const PARTIAL: &str =
    "Updates only the fields in the body: omitted fields stay unchanged, and `null` clears an optional field.";

/// The texts about an operation, which its types can't express.
#[derive(Clone, Copy, Debug)]
pub struct Doc {
    /// Its name in generated clients, such as `listJobs`.
    pub id: &'static str,
    /// What it does, in a few words.
    pub summary: &'static str,
    /// Its description, in Markdown.
    pub about: &'static str,
    /// The errors that its rules can cause, in addition to those of its types.
    pub refusals: &'static [ErrorCode],
}

impl Doc {
    /// An operation that needs no description beyond its summary.
    #[must_use]
    pub const fn new(id: &'static str, summary: &'static str) -> Self {
        Self { id, summary, about: "", refusals: &[] }
    }

    /// Adds a description.
    #[must_use]
    pub const fn about(self, about: &'static str) -> Self {
        Self { about, ..self }
    }

    /// Adds errors of its own.
    #[must_use]
    pub const fn refuses(self, refusals: &'static [ErrorCode]) -> Self {
        Self { refusals, ..self }
    }
}

/// What an operation takes and returns.
#[derive(Debug, Default)]
pub struct Operation {
    /// The scope that it requires. `None`: any valid key will do.
    pub scope: Option<Scope>,
    /// The types of the ids in its path, in order.
    pub path: Vec<Cow<'static, str>>,
    /// The filters of its query: each with its name and schema.
    pub query: Vec<(&'static str, Value)>,
    /// The type of the ids by which a list can be asked for objects.
    pub ids: Option<Cow<'static, str>>,
    /// Whether it takes `If-Match`.
    pub if_match: bool,
    /// Whether it takes `If-None-Match`.
    pub if_none_match: bool,
    /// Whether it takes `Idempotency-Key`.
    pub idempotency_key: bool,
    /// The name of its body's schema, and an example.
    pub body: Option<(&'static str, Value)>,
    /// Its response on success.
    pub answer: Option<Success>,
    /// The codes that it can fail with.
    pub errors: Vec<ErrorCode>,
    /// The schemas that all of these refer to.
    pub schemas: Schemas,
}

/// A response on success.
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
    /// Whether only a key with the read scope gets the object. Another key gets a 204.
    pub needs_read: bool,
}

impl Operation {
    /// Notes a filter.
    fn filter<T: ToSchema>(&mut self, name: &'static str) {
        let schema = to_json(&self.schemas.refer::<T>());
        self.query.push((name, schema));
    }
}

impl Params for Operation {
    fn choice<T: Choice>(&mut self, name: &'static str) -> Option<T> {
        self.filter::<T>(name);
        None
    }

    fn email(&mut self, name: &'static str) -> Option<Email> {
        self.filter::<Email>(name);
        None
    }

    fn text(&mut self, name: &'static str) -> Option<ShortText> {
        self.filter::<ShortText>(name);
        None
    }

    fn id<T: ObjectId>(&mut self, name: &'static str) -> Option<T> {
        self.filter::<T>(name);
        None
    }

    fn ids<T: ObjectId>(&mut self) -> Option<Vec<T>> {
        self.schemas.refer::<T>();
        self.ids = Some(T::name());
        None
    }

    fn exclusive(&mut self, _: &[&'static str]) {}
}

/// A parameter of a handler.
pub trait Part {
    /// Describes what it requires, and how it can fail.
    fn describe(operation: &mut Operation);
}

/// The ids of a path: one, or two.
pub trait PathIds {
    /// Names their types.
    fn describe(operation: &mut Operation);
}

impl<T: ObjectId> PathIds for T {
    fn describe(operation: &mut Operation) {
        operation.schemas.refer::<T>();
        operation.path.push(T::name());
    }
}

impl<T: ObjectId, U: ObjectId> PathIds for (T, U) {
    fn describe(operation: &mut Operation) {
        <T as PathIds>::describe(operation);
        <U as PathIds>::describe(operation);
    }
}

/// A handler's return type.
pub trait Answer {
    /// Describes its status and shape.
    fn describe(operation: &mut Operation);
}

/// Notes a successful response: an object of this schema, or a page of such objects.
pub(crate) fn success<T: ToSchema>(operation: &mut Operation, status: u16, is_list: bool) {
    operation.schemas.refer::<T>();
    let has_version = to_json(&T::schema())["properties"].get("version").is_some();
    let has_version = has_version && !is_list;
    operation.answer = Some(Success { status, data: T::name(), is_list, has_version, needs_read: false });
}

/// A response that a write may return, because it shows a key nothing that the key may not read. A new object is just what its creator
/// sent.
pub trait WriteAnswer {}

/// A handler whose signature describes all of this. `T` is axum's own marker: the extractors that the handler takes.
pub trait Describe<T> {
    /// What it returns.
    type Answer: Answer;

    /// Describes what the handler takes and returns.
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

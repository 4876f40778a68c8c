//! What an operation takes and answers, told by its handler's signature; a [`Doc`] adds only what no type can tell.
//!
//! `Caller<JobsRead>` tells the scope and what a key can be refused for, `Query<ListJobs>` the parameters, `Json<NewJob>` the
//! body, `Listed<Job>` the answer, and each its errors. The `openapi` crate makes the OpenAPI document of it. In a function's
//! own build nothing is described.

use std::borrow::Cow;

use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    contract::{
        error_code::ErrorCode,
        schemas::{Schemas, to_json},
    },
    model::{
        field::Describer,
        id::PathId,
        param::Params,
        scope::Scope,
        value::{Choice, Email},
    },
};

/// What is to be known of every partial update.
pub const PARTIAL: &str =
    "Updates only the fields in the body: omitted fields stay unchanged, and `null` clears an optional field.";

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

/// Something that a handler answers.
pub trait Answer {
    /// Tells its status and shape.
    fn describe(operation: &mut Operation);
}

/// Notes the answer: an object of this schema, or a page of such.
pub(crate) fn success<T: ToSchema>(operation: &mut Operation, status: u16, is_list: bool) {
    operation.schemas.refer::<T>();
    let has_version = to_json(&T::schema())["properties"].get("version").is_some();
    let has_version = has_version && !is_list;
    operation.answer = Some(Success { status, data: T::name(), is_list, has_version, needs_read: false });
}

/// An answer that a write may give: none shows a key what it has no scope to read. A new object is what its creator has sent.
pub trait WriteAnswer {}

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

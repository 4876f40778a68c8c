//! Extracts the query of a list. It knows no list's filters.

use axum::{
    extract::FromRequestParts,
    http::{Uri, request::Parts},
};

use crate::{
    contract::{
        error_code::ErrorCode,
        operation::{Operation, Part},
    },
    http::{app::App, error::ApiError},
    model::{
        field::{Field, ObjectId, Problem, Problems},
        page::{Cursor, DEFAULT_LIMIT, MAX_LIMIT, PageRequest},
        param::{FromParams, Params},
        text::shown,
        value::{Choice, Email, ShortText, not_one_of},
    },
};

/// The parameter that names objects.
const IDS: &str = "ids";

/// The query of a list.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<T: FromParams> FromRequestParts<App> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, ApiError> {
        let mut params = Given::read(&parts.uri);
        let limit = params.limit();
        let cursor = params.value("cursor").map(str::parse::<Cursor>);
        // Report invalid parameters before an invalid cursor: the client wrote the parameters itself.
        let (cursor, damaged) = match cursor.transpose() {
            Ok(cursor) => (cursor, None),
            Err(error) => (None, Some(error)),
        };
        let query = T::from_params(&mut params, PageRequest::new(limit, cursor));
        params.note_unknown();
        match (params.problems.into_details(), damaged) {
            (details, _) if !details.is_empty() => Err(ApiError::InvalidParameter(details)),
            (_, Some(damaged)) => Err(damaged.into()),
            (_, None) => Ok(Self(query)),
        }
    }
}

/// The parameters of a query, which of them the list has asked for, and what is wrong with them.
#[derive(Debug)]
struct Given {
    all: Vec<(String, String)>,
    known: Vec<&'static str>,
    problems: Problems,
}

impl Given {
    fn read(uri: &Uri) -> Self {
        let query = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
        let mut params = Self { all: Vec::new(), known: Vec::new(), problems: Problems::default() };
        for (name, value) in query.into_owned() {
            if params.all.iter().any(|(given, _)| *given == name) {
                params.note(&name, Problem::Duplicate, "must not be given more than once");
            } else {
                params.all.push((name, value));
            }
        }
        params
    }

    fn note(&mut self, name: &str, code: Problem, message: impl Into<String>) {
        self.problems.note::<()>(if name.is_empty() { "(empty)" } else { name }, code, message);
    }

    /// Notes the parameters that the list has not asked for.
    fn note_unknown(&mut self) {
        let unknown: Vec<String> = self
            .all
            .iter()
            .map(|(name, _)| name)
            .filter(|name| !self.known.contains(&name.as_str()))
            .cloned()
            .collect();
        for name in unknown {
            let message = format!("is not a supported parameter (supported: {})", self.known.join(", "));
            self.note(&name, Problem::Unknown, message);
        }
    }

    fn value(&mut self, name: &'static str) -> Option<&str> {
        self.known.push(name);
        self.all.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    fn limit(&mut self) -> u8 {
        let Some(text) = self.value("limit") else { return DEFAULT_LIMIT };
        // `parse` alone would also accept `+5`, which suggests that the client encoded something wrongly.
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse() {
            Ok(limit @ 1..=MAX_LIMIT) if digits => limit,
            _ => {
                let message = format!("must be an integer from 1 to {MAX_LIMIT} (got \"{}\")", shown(text));
                self.note("limit", Problem::OutOfRange, message);
                DEFAULT_LIMIT
            }
        }
    }
}

impl Params for Given {
    fn choice<T: Choice>(&mut self, name: &'static str) -> Option<T> {
        let text = self.value(name)?;
        let (choice, message) = (T::find(text), not_one_of::<T>(text));
        if choice.is_none() {
            self.note(name, Problem::InvalidValue, message);
        }
        choice
    }

    /// A space, which no address contains, is a plus sign that was not encoded as `%2B`.
    fn email(&mut self, name: &'static str) -> Option<Email> {
        match Email::new(&self.value(name)?.replace(' ', "+")) {
            Ok(email) => Some(email),
            Err(wrong) => {
                self.note(name, Problem::InvalidFormat, wrong.to_string());
                None
            }
        }
    }

    fn text(&mut self, name: &'static str) -> Option<ShortText> {
        self.field(name)
    }

    fn id<T: ObjectId>(&mut self, name: &'static str) -> Option<T> {
        self.field(name)
    }

    fn ids<T: ObjectId>(&mut self) -> Option<Vec<T>> {
        let text = self.value(IDS)?.to_owned();
        let is_other = |known: &&str| *known != IDS && self.is_given(known);
        let others: Vec<&str> = self.known.iter().copied().filter(is_other).collect();
        for other in others {
            self.note(other, Problem::Unknown, format!("can't be combined with {IDS}"));
        }
        let given: Vec<&str> = text.split(',').collect();
        if given.len() > MAX_LIMIT.into() {
            let message = format!("must name at most {MAX_LIMIT} objects (got {})", given.len());
            self.note(IDS, Problem::TooLong, message);
            return None;
        }
        let read = |id: &str| T::parse(&id.into(), IDS, &mut self.problems);
        given.into_iter().map(read).collect()
    }

    fn exclusive(&mut self, names: &[&'static str]) {
        let given: Vec<&str> = names.iter().copied().filter(|name| self.is_given(name)).collect();
        if let [first, others @ ..] = given.as_slice() {
            for other in others {
                self.note(other, Problem::Unknown, format!("can't be combined with {first}"));
            }
        }
    }
}

impl Given {
    /// The field of a body that has the same form.
    fn field<T: Field>(&mut self, name: &'static str) -> Option<T> {
        let value = self.value(name)?.into();
        T::parse(&value, name, &mut self.problems)
    }

    fn is_given(&self, name: &str) -> bool {
        self.all.iter().any(|(given, _)| given == name)
    }
}

impl<T: FromParams> Part for Query<T> {
    fn describe(operation: &mut Operation) {
        let _ = T::from_params(operation, PageRequest::new(DEFAULT_LIMIT, None));
        operation.errors.extend([ErrorCode::InvalidParameter, ErrorCode::InvalidCursor]);
    }
}

//! The responses that carry one object. Lists are [`Listed`](crate::http::listed::Listed), and errors are
//! [`ApiError`]. It knows no object's fields.

use axum::{
    Extension,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    contract::operation::{Answer, Operation, WriteAnswer, success},
    http::{
        caller::Caller,
        error::ApiError,
        escaped::{self, Escaped},
        event::Origin,
        gateway_response::IsEscaped,
    },
    model::{if_none_match::IfNoneMatch, object::Object, write::Written},
    store::error::StoreError,
};

/// Whether an earlier request did the write.
const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// `200` with `{"success":true,"data":…}`, and the object's version as its `ETag` (RFC 9110, section 8.8.3).
#[derive(Debug)]
pub struct Data<T>(pub T);

impl<T: Object> IntoResponse for Data<T> {
    fn into_response(self) -> Response {
        #[derive(Serialize)]
        struct Envelope<T> {
            success: bool,
            data: T,
        }
        let version = self.0.version();
        with_etag(json(&Envelope { success: true, data: self.0 }), version)
    }
}

impl<T: ToSchema> Answer for Data<T> {
    fn describe(operation: &mut Operation) {
        success::<T>(operation, 200, false);
    }
}

fn with_etag(mut response: Response, version: Option<u64>) -> Response {
    if let Some(etag) = version.and_then(|version| HeaderValue::from_str(&format!("\"{version}\"")).ok()) {
        response.headers_mut().insert(header::ETAG, etag);
    }
    response
}

/// The response to a read of an object that has a version: `200` with the object, or `304` (RFC 9110, section 15.4.5) if the client has this
/// version.
#[derive(Debug)]
pub struct Found<T> {
    object: T,
    is_known: bool,
}

impl<T: Object> Found<T> {
    /// The response, given what the client has and what the store found: `None` becomes `NotFound`.
    pub fn unless(known: &IfNoneMatch, found: Option<T>) -> Result<Self, ApiError> {
        let object = found.ok_or(ApiError::NotFound)?;
        let is_known = object.version().is_some_and(|version| known.has(version));
        Ok(Self { object, is_known })
    }
}

impl<T: Object> IntoResponse for Found<T> {
    fn into_response(self) -> Response {
        if self.is_known {
            return with_etag(StatusCode::NOT_MODIFIED.into_response(), self.object.version());
        }
        Data(self.object).into_response()
    }
}

impl<T: ToSchema> Answer for Found<T> {
    fn describe(operation: &mut Operation) {
        success::<T>(operation, 200, false);
    }
}

/// The response to an update or a move: `200` with the object for a key that may read it, or `204` with just its `ETag` for one that
/// may not. Write does not imply read.
#[derive(Debug)]
pub struct Updated<T> {
    written: Written<T>,
    is_shown: bool,
}

impl<T> Updated<T> {
    /// The response to `caller`, given the store's result: `None` becomes `NotFound`. An error shows no more than the object would.
    pub fn shown_to<S>(caller: &Caller<S>, outcome: Result<Option<Written<T>>, StoreError>) -> Result<Self, ApiError> {
        let is_shown = caller.may_read();
        match outcome {
            Ok(Some(written)) => Ok(Self { written, is_shown }),
            Ok(None) => Err(ApiError::NotFound),
            Err(error) if is_shown => Err(error.into()),
            Err(error) => Err(ApiError::from(error).for_writer_only()),
        }
    }
}

impl<T: Object> IntoResponse for Updated<T> {
    fn into_response(self) -> Response {
        let Written { object, is_replay } = self.written;
        let response = if self.is_shown {
            Data(object).into_response()
        } else {
            with_etag(StatusCode::NO_CONTENT.into_response(), object.version())
        };
        noting_replay(response, is_replay)
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

impl<T> WriteAnswer for Updated<T> {}

/// `200` with the receipt of what was done, which shows nothing that only a read scope may.
#[derive(Debug)]
pub struct Done<T>(pub Written<T>);

impl<T: Object> IntoResponse for Done<T> {
    fn into_response(self) -> Response {
        let Written { object, is_replay } = self.0;
        noting_replay(Data(object).into_response(), is_replay)
    }
}

impl<T: ToSchema> Answer for Done<T> {
    fn describe(operation: &mut Operation) {
        success::<T>(operation, 200, false);
    }
}

impl<T> WriteAnswer for Done<T> {}

/// `201` with the new object, and its URL in `Location`.
#[derive(Debug)]
pub struct Created<T> {
    location: String,
    written: Written<T>,
}

impl<T> Created<T> {
    /// The new object is at this path, which is made absolute when the response is finished.
    pub fn at(location: String, written: Written<T>) -> Self {
        Self { location, written }
    }
}

impl<T: Object> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        let Written { object, is_replay } = self.written;
        let mut response = (StatusCode::CREATED, Data(object)).into_response();
        if let Ok(location) = HeaderValue::from_str(&self.location) {
            response.headers_mut().insert(header::LOCATION, location);
        }
        noting_replay(response, is_replay)
    }
}

impl<T: ToSchema> Answer for Created<T> {
    fn describe(operation: &mut Operation) {
        success::<T>(operation, 201, false);
    }
}

impl<T> WriteAnswer for Created<T> {}

/// Says in a header that an earlier request with the same idempotency key did the write.
fn noting_replay(mut response: Response, is_replay: bool) -> Response {
    if is_replay {
        response.headers_mut().insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
    }
    response
}

/// Makes the `Location` of a new object absolute, if the event names the origin. The redirects of pages are left alone.
pub(crate) fn complete_location(response: &mut Response, origin: &Origin) {
    if response.status() != StatusCode::CREATED {
        return;
    }
    let Some(location) = response.headers_mut().get_mut(header::LOCATION) else { return };
    let path = location.to_str().ok().filter(|path| path.starts_with('/'));
    if let Some(absolute) = path.and_then(|path| HeaderValue::from_str(&format!("{origin}{path}")).ok()) {
        *location = absolute;
    }
}

/// Writes an envelope as a response. Its length is set here, because the body is longer, with its escapes.
pub(crate) fn json(envelope: &impl Serialize) -> Response {
    match escaped::write(envelope) {
        Ok(Escaped { text, plain_len }) => {
            let headers = [
                (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
                (header::CONTENT_LENGTH, plain_len.into()),
            ];
            (headers, Extension(IsEscaped), text).into_response()
        }
        Err(error) => ApiError::Internal(Box::new(error)).into_response(),
    }
}

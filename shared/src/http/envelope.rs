//! The responses that carry one object. Lists are [`Listed`](crate::http::listed::Listed), and errors are
//! [`ApiError`]. It knows no object's fields.

use axum::{
    Extension,
    http::{HeaderValue, StatusCode, header},
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
    model::object::Object,
    store::error::StoreError,
};

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

/// The response to an update or a move: `200` with the object for a key that may read it, or `204` with just its `ETag` for one that
/// may not. Write does not imply read.
#[derive(Debug)]
pub struct Updated<T> {
    object: T,
    is_shown: bool,
}

impl<T> Updated<T> {
    /// The response to `caller`, given the store's result: `None` becomes `NotFound`. An error shows no more than the object would.
    pub fn shown_to<S>(caller: &Caller<S>, outcome: Result<Option<T>, StoreError>) -> Result<Self, ApiError> {
        let is_shown = caller.may_read();
        match outcome {
            Ok(Some(object)) => Ok(Self { object, is_shown }),
            Ok(None) => Err(ApiError::NotFound),
            Err(error) if is_shown => Err(error.into()),
            Err(error) => Err(ApiError::from(error).for_writer_only()),
        }
    }
}

impl<T: Object> IntoResponse for Updated<T> {
    fn into_response(self) -> Response {
        if self.is_shown {
            return Data(self.object).into_response();
        }
        with_etag(StatusCode::NO_CONTENT.into_response(), self.object.version())
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

/// `201` with the new object, and its URL in `Location`.
#[derive(Debug)]
pub struct Created<T> {
    location: String,
    object: T,
}

impl<T> Created<T> {
    /// The new object is at this path, which is made absolute when the response is finished.
    pub fn at(location: String, object: T) -> Self {
        Self { location, object }
    }
}

impl<T: Object> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        let mut response = (StatusCode::CREATED, Data(self.object)).into_response();
        if let Ok(location) = HeaderValue::from_str(&self.location) {
            response.headers_mut().insert(header::LOCATION, location);
        }
        response
    }
}

impl<T: ToSchema> Answer for Created<T> {
    fn describe(operation: &mut Operation) {
        success::<T>(operation, 201, false);
    }
}

impl<T> WriteAnswer for Created<T> {}

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

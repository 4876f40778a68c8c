//! The response of a list: a page in its envelope, with a `Link` to the next. It knows no list.

use axum::{
    http::{HeaderValue, Uri, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    contract::operation::{Answer, Operation, success},
    http::{envelope::json, event::Origin},
    model::page::{ByIds, Cursor, Page},
};

/// `200` with `{"success":true,"data":[…],"pagination":{…}}`. The [`Link`](link_to_next) to the next page is added later, where the
/// request's URL is known.
#[derive(Debug)]
pub struct Listed<T>(pub Page<T>);

/// A response extension that says where the next page is.
#[derive(Clone, Debug)]
struct Next {
    cursor: Cursor,
    limit: u8,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Pagination {
    has_more: bool,
    next_cursor: Option<Cursor>,
    limit: u8,
}

impl<T: Serialize> IntoResponse for Listed<T> {
    fn into_response(self) -> Response {
        #[derive(Serialize)]
        struct Envelope<T> {
            success: bool,
            data: Vec<T>,
            #[serde(flatten)]
            by_ids: Option<ByIds>,
            pagination: Pagination,
        }
        let Page { rows, next, limit, by_ids } = self.0;
        let link = next.clone().map(|cursor| Next { cursor, limit });
        let pagination = Pagination { has_more: next.is_some(), next_cursor: next, limit };
        let mut response = json(&Envelope { success: true, data: rows, by_ids, pagination });
        if let Some(link) = link {
            response.extensions_mut().insert(link);
        }
        response
    }
}

impl<T: ToSchema> Answer for Listed<T> {
    fn describe(operation: &mut Operation) {
        success::<T>(operation, 200, true);
    }
}

/// Adds the `Link` (RFC 8288) to the next page, if there is one: the path and filters of `uri`, with the next cursor. It is absolute if
/// the origin is known, because some clients, such as Python's `requests`, can't follow a relative link.
pub(crate) fn link_to_next(response: &mut Response, uri: &Uri, origin: &Origin) {
    let Some(Next { cursor, limit }) = response.extensions_mut().remove() else { return };
    let given = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    let filters = given.filter(|(name, _)| !matches!(&**name, "limit" | "cursor"));
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(filters).append_pair("limit", &limit.to_string()).append_pair("cursor", &cursor.to_string());
    let link = format!("<{origin}{}?{}>; rel=\"next\"", uri.path(), query.finish());
    if let Ok(link) = HeaderValue::from_str(&link) {
        response.headers_mut().insert(header::LINK, link);
    }
}

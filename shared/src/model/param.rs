//! The query parameters of a list. It knows neither URLs nor OpenAPI, which each implement [`Params`].

use crate::model::{
    field::ObjectId,
    page::PageRequest,
    value::{Choice, Email, ShortText},
};

/// A type that can be read from a query.
pub trait FromParams: Sized {
    /// Reads the list's filters, besides `limit` and `cursor`. An invalid value is noted, and the request fails once all have been read.
    fn from_params(params: &mut impl Params, page: PageRequest) -> Self;
}

/// The filters of a list: either of a query being read, or of one being described.
pub trait Params {
    /// A filter whose values are a closed set.
    fn choice<T: Choice>(&mut self, name: &'static str) -> Option<T>;

    /// A filter that is an email address.
    fn email(&mut self, name: &'static str) -> Option<Email>;

    /// A filter that is a short text.
    fn text(&mut self, name: &'static str) -> Option<ShortText>;

    /// A filter that is an id.
    fn id<T: ObjectId>(&mut self, name: &'static str) -> Option<T>;

    /// The parameter `ids`, which names up to 100 objects. It can't be combined with any other.
    fn ids<T: ObjectId>(&mut self) -> Option<Vec<T>>;

    /// Allows at most one of these filters.
    fn exclusive(&mut self, names: &[&'static str]);
}

/// A list without filters takes just the page.
impl FromParams for PageRequest {
    fn from_params(_: &mut impl Params, page: PageRequest) -> Self {
        page
    }
}

//! The parameters of a list's query. It knows neither URLs nor OpenAPI: each gives [`Params`] of its own.

use crate::model::{
    page::PageRequest,
    value::{Choice, Email},
};

/// What a query can be read as.
pub trait FromParams: Sized {
    /// Reads the filters that the list knows, besides `limit` and `cursor`. A value that is wrong is noted, and the request
    /// fails after all were read.
    fn from_params(params: &mut impl Params, page: PageRequest) -> Self;
}

/// The filters of a list: of a query that is read, or of one that is described.
pub trait Params {
    /// A filter out of a closed set.
    fn choice<T: Choice>(&mut self, name: &'static str) -> Option<T>;

    /// A filter that is an e-mail address.
    fn email(&mut self, name: &'static str) -> Option<Email>;
}

/// A list without filters takes just the page.
impl FromParams for PageRequest {
    fn from_params(_: &mut impl Params, page: PageRequest) -> Self {
        page
    }
}

//! What every function of the Head Honta API shares: keys, quotas, records, requests and responses. It knows no route and no page.
//!
//! Five layers, each a folder, and `html` and `schedule` above them. Imports go down, never up, and `store` and `contract`, which are side by side,
//! don't import each other (`tests/api/layers.rs` checks both):
//!
//! | Layer | Holds |
//! |---|---|
//! | [`html`] | headers and asset names for HTML pages |
//! | [`schedule`] | functions that run on a schedule |
//! | [`http`] | everything between an event and a handler, in both directions |
//! | [`contract`] | what an operation takes and returns, for OpenAPI, and the error codes |
//! | `admission` | the decision to admit or deny a request, given its key |
//! | [`store`] | the tables, with one file per record |
//! | [`model`] | values without I/O |
//!
//! Read it in the order that a request takes. [`http::serve`] turns an event into a request and applies the layers. [`http::caller`]
//! turns the key into a [`Caller`](http::caller::Caller), if admission admits it; [`http::ask`] does so while it reads. [`http::extract`]
//! reads the path, query and body. A handler joins the caller to calls of [`store`], and returns an [`http::envelope`], an
//! [`http::listed`] or an [`http::error`].
//!
//! The settings pages don't use keys: [`store::session`] says who is signed in, and [`model::secret`] is what their browser holds.

mod admission;
pub mod contract;
pub mod html;
pub mod http;
pub mod model;
pub mod schedule;
pub mod store;

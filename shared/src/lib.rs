//! What every function of the Head Honta API uses: from the key to the quota to the records.
//!
//! Five layers, each a folder; imports go down, never up (`tests/api/layers.rs` checks it):
//!
//! | Layer | Holds |
//! |---|---|
//! | [`html`] | what only HTML pages need |
//! | [`http`] | from an event to a handler and back |
//! | [`contract`] | what an operation takes and returns, for OpenAPI |
//! | `admission` | from a presented key to one decision |
//! | [`store`] | the tables, and one file a record |
//! | [`model`] | values without I/O |
//!
//! Read it in the order of a request's way: [`http::serve`] turns an event into a request and puts the layers on; [`http::caller`] makes
//! a [`Caller`](http::caller::Caller) of the key, on which admission decides; [`http::extract`] reads path, query and body; a handler
//! joins the caller to one call of [`store`]; [`http::envelope`], [`http::listed`] and [`http::error`] are what it can return.
//!
//! The settings go another way: [`store::session`] knows who is signed in, [`model::secret`] is what their browser has.

mod admission;
pub mod contract;
pub mod html;
pub mod http;
pub mod model;
pub mod store;

//! What an operation takes and returns, for OpenAPI, as its handler's signature says, and the code and status of every error.
//!
//! It knows neither a request nor a table: what a handler takes and returns describes itself, where it is defined. A function's own
//! build describes no route (feature `openapi`), so nothing of this but the errors is in its binary.

pub mod error_code;
pub mod operation;
pub mod schemas;

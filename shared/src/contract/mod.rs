//! What an operation takes and returns, for OpenAPI, taken from its handler's signature, and the code and status of every error.
//!
//! It knows neither a request nor a table: each type that a handler takes or returns describes itself, where it is defined. A function's
//! own build describes no route (that needs the feature `openapi`), so its binary contains nothing of this but the errors.

pub mod error_code;
pub mod operation;
pub mod schemas;

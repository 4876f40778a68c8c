//! What an operation takes and returns, for OpenAPI, told by its handler's signature. Off in the functions' own builds, which would carry
//! it for nothing. It knows neither a request nor a table: what a handler takes and returns describes itself, where it is defined.

pub mod error_code;
pub mod operation;
pub mod schemas;

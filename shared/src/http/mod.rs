//! Everything between API Gateway's events and handlers: the layers around every request, what a handler takes and returns, errors as
//! responses, and the log. It knows no route, and nothing about DynamoDB except that a call can fail.

pub mod app;
pub mod ask;
pub mod caller;
pub mod context;
pub mod deadline;
pub mod envelope;
pub mod error;
mod error_text;
mod escaped;
pub mod event;
pub mod extract;
pub mod gateway_response;
pub mod holder;
mod limit_headers;
pub mod listed;
pub mod log;
pub mod media_type;
pub mod route;
pub mod security_headers;
pub mod serve;

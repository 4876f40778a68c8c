//! Between API Gateway's events and handlers: the layers that every request passes, what a handler takes and returns, errors as
//! responses, the log. It knows no route, and of DynamoDB no more than that a call can fail.

pub mod app;
pub mod caller;
pub mod context;
pub mod envelope;
pub mod error;
pub mod event;
pub mod extract;
mod limit_headers;
pub mod listed;
pub mod log;
pub mod media_type;
pub mod route;
pub mod security_headers;
pub mod serve;

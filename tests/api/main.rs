//! One integration test binary for the whole API. Requests go through the template's routes, through API Gateway's events, and to an
//! embedded DynamoDB, as with `local`. Each test has its own organization.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "this is how a test fails")]

mod accounts;
mod alarms;
mod applications;
mod authors;
mod binaries;
mod candidates;
mod clocks;
mod conflicts;
mod cors;
mod cost;
mod counted;
mod damaged;
mod demo;
mod docs;
mod edges;
mod erasure;
mod errors;
mod events;
mod every_route;
mod failures;
mod fields;
mod idempotency;
mod jobs;
mod keys;
mod late;
mod layers;
mod limits;
mod lists;
mod lookups;
mod lost;
mod members;
mod odd;
mod openapi;
mod outage;
mod overdue;
mod permissions;
mod pipeline;
mod rules;
mod settings;
mod strange;
mod template;
mod test_app;
mod test_settings;
mod usage;

//! The tables, and the records in them: one file each, with its shape, its rules, how it lies in the table, and what reads and writes it.
//!
//! It knows no HTTP: its calls return objects, pages and typed errors. Every function on a tenant's records takes the
//! [`OrgId`](crate::model::id::OrgId) whose they are. Absence is an `Option`; a handler decides that it is an error.

mod backoff;
pub(crate) mod calls;
mod change;
pub mod connect;
pub mod db;
pub mod error;
mod expression;
mod item;
mod list;
mod page;
mod record;
mod table;
mod transaction;

pub mod activity;
pub mod api_key;
pub mod application;
pub mod candidate;
pub mod job;
pub mod key_day;
pub mod member;
pub mod organization;
pub mod position;
pub mod session;
pub mod stage;
pub mod usage;

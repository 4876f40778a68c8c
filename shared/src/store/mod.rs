//! The tables and their records. Each record has one file with its fields, its rules, its item, and the functions that read and write it.
//!
//! It knows no HTTP: its functions return objects, pages and typed errors. Every function on a tenant's records takes the tenant's
//! [`OrgId`](crate::model::id::OrgId). Absence is an `Option`, and the handler decides whether it is an error.

pub(crate) mod account;
mod attribute;
mod backoff;
pub(crate) mod calls;
mod change;
pub mod connect;
pub mod db;
mod doubt;
pub mod error;
mod expression;
mod intact;
mod item;
mod list;
mod page;
mod record;
mod response;
mod table;
mod transaction;
mod user_agent;
mod write;

pub mod activity;
pub mod api_key;
pub mod application;
pub mod candidate;
pub mod erasure;
pub mod job;
pub mod key_day;
pub mod member;
pub mod organization;
pub mod position;
pub mod session;
pub mod stage;
pub mod usage;

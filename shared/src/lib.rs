//! What every function of the Head Honta API uses: from the key to the quota to the records.
//!
//! Read it in the order of a request's way: [`serve`] turns an event into a request and puts the layers on; [`auth`]
//! makes a [`Caller`](auth::Caller) of the key, which [`limits`] counts; [`extract`] reads path, query and body; a
//! handler joins the caller to one call of [`records`]; [`envelope`], [`page`] and [`error`] are what it can answer.
//!
//! The settings go another way: [`records::session`] tells who is signed in, [`secret`] is what their browser has, and [`browser`] what
//! their pages tell it.
//!
//! This crate knows no route, and the functions know no DynamoDB.

pub mod app;
pub mod auth;
pub mod body;
pub mod browser;
pub mod clock;
mod closed_set;
pub mod db;
pub mod envelope;
pub mod error;
mod error_code;
pub mod event;
mod exchange;
pub mod extract;
pub mod id;
mod json;
pub mod key;
pub mod limits;
pub mod log;
pub mod operation;
pub mod page;
pub mod plan;
pub mod records;
pub mod route;
pub mod scope;
pub mod secret;
pub mod serve;
mod table;
mod text;
pub mod value;

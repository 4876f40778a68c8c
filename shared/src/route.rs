//! The routes of a function, as a router and as a list: axum can't name the routes of a router, and a test must be able
//! to tell that none is missing from its table.

use axum::{
    Router,
    handler::Handler,
    http::Method,
    routing::{get, post, put},
};

use crate::app::App;

/// One method of one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path's pattern: `/api/v1/jobs/{id}`.
    pub path: &'static str,
}

/// What a function serves.
#[derive(Debug, Default)]
pub struct Routes {
    pub(crate) router: Router<App>,
    list: Vec<Route>,
}

impl Routes {
    /// No routes yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Serves `GET`, and with it `HEAD`.
    #[must_use]
    pub fn get<T: 'static>(self, path: &'static str, handler: impl Handler<T, App>) -> Self {
        self.with(Method::GET, path, |router| router.route(path, get(handler)))
    }

    /// Serves `POST`.
    #[must_use]
    pub fn post<T: 'static>(self, path: &'static str, handler: impl Handler<T, App>) -> Self {
        self.with(Method::POST, path, |router| router.route(path, post(handler)))
    }

    /// Serves `PUT`.
    #[must_use]
    pub fn put<T: 'static>(self, path: &'static str, handler: impl Handler<T, App>) -> Self {
        self.with(Method::PUT, path, |router| router.route(path, put(handler)))
    }

    /// Every route there is.
    #[must_use]
    pub fn list(&self) -> &[Route] {
        &self.list
    }

    fn with(mut self, method: Method, path: &'static str, add: impl FnOnce(Router<App>) -> Router<App>) -> Self {
        self.list.push(Route { method, path });
        Self { router: add(self.router), list: self.list }
    }
}

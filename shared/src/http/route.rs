//! The routes of a function, as a router and as a list, because axum can't list a router's routes and a test must check that its table
//! contains all of them. It knows no handler.

use axum::{
    Router,
    handler::Handler,
    http::Method,
    routing::{MethodRouter, delete, get, post, put},
};

use crate::{
    contract::operation::{Describe, Doc, WriteAnswer},
    http::app::App,
};

/// One method of one path.
#[derive(Clone, Debug)]
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path's pattern: `/api/v1/jobs/{id}`.
    pub path: &'static str,
    /// Its name, and what it does.
    pub doc: Doc,
    /// Describes what it takes and returns.
    #[cfg(feature = "openapi")]
    pub describe: fn(&mut crate::contract::operation::Operation),
}

/// The routes that a function serves.
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

    /// Serves `GET`, and therefore `HEAD`.
    #[must_use]
    pub fn get<T: 'static, H: Handler<T, App> + Describe<T>>(self, path: &'static str, handler: H, doc: Doc) -> Self {
        self.with::<T, H>(Method::GET, path, doc, get(handler))
    }

    /// Serves `POST`.
    #[must_use]
    pub fn post<T, H>(self, path: &'static str, handler: H, doc: Doc) -> Self
    where
        T: 'static,
        H: Handler<T, App> + Describe<T, Answer: WriteAnswer>,
    {
        self.with::<T, H>(Method::POST, path, doc, post(handler))
    }

    /// Serves `PUT`.
    #[must_use]
    pub fn put<T, H>(self, path: &'static str, handler: H, doc: Doc) -> Self
    where
        T: 'static,
        H: Handler<T, App> + Describe<T, Answer: WriteAnswer>,
    {
        self.with::<T, H>(Method::PUT, path, doc, put(handler))
    }

    /// Serves `DELETE`.
    #[must_use]
    pub fn delete<T, H>(self, path: &'static str, handler: H, doc: Doc) -> Self
    where
        T: 'static,
        H: Handler<T, App> + Describe<T, Answer: WriteAnswer>,
    {
        self.with::<T, H>(Method::DELETE, path, doc, delete(handler))
    }

    /// Every route.
    #[must_use]
    pub fn list(&self) -> &[Route] {
        &self.list
    }

    fn with<T, H: Describe<T>>(
        mut self,
        method: Method,
        path: &'static str,
        doc: Doc,
        served: MethodRouter<App>,
    ) -> Self {
        self.list.push(Route {
            method,
            path,
            doc,
            #[cfg(feature = "openapi")]
            describe: H::describe,
        });
        Self { router: self.router.route(path, served), list: self.list }
    }
}

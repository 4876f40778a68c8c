//! Admits a request, and reads for it meanwhile. It knows no route and no record.
//!
//! A request is admitted by one call to DynamoDB, and most need one read before anything else. Where this instance expects that the request
//! is admitted, both are sent at once. A handler then takes an [`Ask`] instead of a [`Caller`], and hands it what to read. Errors in the
//! path, the query or the body may be returned only once the request is admitted, so such a handler takes them as [`Later`].

use std::marker::PhantomData;

use axum::{extract::FromRequestParts, http::request::Parts};

use crate::{
    admission,
    contract::operation::{Operation, Part},
    http::{
        app::App,
        caller::{Caller, author, presented_key, rejected},
        error::ApiError,
    },
    model::{id::OrgId, key::ApiKey, scope::RequiredScope, write::Author},
    store::account::Counting,
};

/// Part of a request, or the error in it, which is returned only once the request is admitted.
pub type Later<T> = Result<T, ApiError>;

impl<T: Part> Part for Later<T> {
    fn describe(operation: &mut Operation) {
        T::describe(operation);
    }
}

/// A request whose key has yet to be admitted for the scope `S`. It gives access to nothing.
#[derive(Debug)]
pub struct Ask<S> {
    app: App,
    key: ApiKey,
    author: Author,
    scope: PhantomData<S>,
}

impl<S: RequiredScope> Ask<S> {
    /// Admits the request, and returns its caller and what `read` returned for the caller's organization and `input`.
    ///
    /// `read` may run before the request is admitted, and whether it did shows in nothing but the time. So it must write nothing. Without
    /// its input there is no read, and the error about the input is returned if the request is admitted.
    pub async fn read<I, T>(
        self,
        input: Later<I>,
        read: impl AsyncFnOnce(OrgId, I) -> T,
    ) -> Result<(Caller<S>, T), ApiError> {
        let Self { app, key, author, .. } = self;
        let request = Counting { key: &key, hash: key.hash(), scope: S::SCOPE, now: app.clock.now() };
        let (db, memory) = (&app.db, &*app.memory);
        let admitted = match input {
            Ok(input) => {
                let read = async |org| read(org, input).await;
                let admitted = admission::admit_and_read(db, memory, &request, read).await;
                admitted.map(|(admitted, read)| (admitted, Ok(read)))
            }
            Err(wrong) => admission::admit(db, memory, &request).await.map(|admitted| (admitted, Err(wrong))),
        };
        admission::tidy(db, memory, &request).await;
        let (admitted, read) = admitted.map_err(|not| rejected(*not))?;
        // The caller first, because an error shows its limits too.
        let caller = Caller::of(admitted, author);
        Ok((caller, read?))
    }
}

impl<S: RequiredScope> FromRequestParts<App> for Ask<S> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let key = presented_key(&parts.headers)?;
        let author = author(&key, parts);
        Ok(Self { app: app.clone(), key, author, scope: PhantomData })
    }
}

impl<S: RequiredScope> Part for Ask<S> {
    fn describe(operation: &mut Operation) {
        Caller::<S>::describe(operation);
    }
}

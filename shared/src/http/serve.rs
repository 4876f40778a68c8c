//! The layers around every request, applied in one place for Lambda, local runs and tests alike. It knows no route.
//!
//! From the outside in: the event is checked and becomes a request; the request's id, notes and deadline; the response's error
//! envelope, headers and log line; then, inside the router, the route's name and the panic guard.

use std::{
    convert::Infallible,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use axum::{
    Router,
    body::Body,
    extract::{MatchedPath, Request},
    http::{HeaderValue, Method, Response, StatusCode, Uri, header},
    middleware::{self, Next},
    response::IntoResponse,
};
use lambda_runtime::LambdaEvent;
use serde_json::value::RawValue;
use tower::ServiceExt;
use tower_http::catch_panic::CatchPanicLayer;

use crate::{
    http::{
        app::{self, App, SettingError},
        context::{self, Notes, RequestContext, RequestId},
        deadline, envelope,
        error::{ApiError, OwnBody},
        event::{self, Origin},
        gateway_response::GatewayResponse,
        listed, log,
        route::Routes,
        security_headers,
    },
    store::calls::Calls,
};

const REQUEST_ID: &str = "x-request-id";

/// A whole function, from an event to the response.
#[derive(Clone, Debug)]
pub struct Api {
    router: Router,
    /// Writes the response to a failure outside the handlers: a panic, or a request that takes too long.
    fail: fn(ApiError) -> Response<Body>,
    /// The function's version, such as `7`. Empty outside Lambda.
    version: Arc<str>,
    has_served: Arc<AtomicBool>,
}

impl Api {
    /// Serves `routes` with the layers around them.
    #[must_use]
    pub fn new(routes: Routes, app: App) -> Self {
        Self::open(routes.router.with_state(app))
    }

    /// Serves routes that need no key, with the same layers.
    #[must_use]
    pub fn open(router: Router) -> Self {
        Self::pages(router, ApiError::into_response)
    }

    /// Like [`open`](Self::open), for pages: `fail` writes the response to a failure outside their handlers.
    #[must_use]
    pub fn pages(router: Router, fail: fn(ApiError) -> Response<Body>) -> Self {
        let layered = router
            .fallback(async |uri: Uri| ApiError::UnknownPath(uri.path().to_owned()))
            .method_not_allowed_fallback(async |method: Method| ApiError::MethodNotAllowed(method))
            .layer(CatchPanicLayer::custom(move |_| fail(ApiError::Internal("a handler panicked".into()))))
            .layer(middleware::from_fn(note_route));
        let version = app::optional("AWS_LAMBDA_FUNCTION_VERSION").unwrap_or_default();
        Self { router: layered, fail, version: version.into(), has_served: Arc::default() }
    }

    /// Returns the response to an event. `lambda_id` is the invocation's id, for the log, and for the request if the event has no id.
    pub async fn answer(&self, event: &RawValue, lambda_id: &str) -> GatewayResponse {
        let started = Instant::now();
        let (context, calls) = (Arc::new(RequestContext::default()), Calls::default());
        let event = event::read(event);
        let id = event.as_ref().ok().and_then(event::request_id).unwrap_or(lambda_id).to_owned();
        let origin = event.as_ref().map(Origin::of).unwrap_or_default();
        let method = event.as_ref().map_or(Method::GET, |event| event.request_context.http.method.clone());
        let request = event.and_then(event::into_request);
        let uri = request.as_ref().ok().map(|request| request.uri().clone());

        let response = match request {
            Ok(request) if is_preflight(&request) => StatusCode::NO_CONTENT.into_response(),
            Ok(mut request) => {
                request.extensions_mut().insert(origin.clone());
                request.extensions_mut().insert(RequestId(id.as_str().into()));
                calls.count(context.scope(self.respond(request))).await
            }
            Err(error) => error.into_response(),
        };
        let error = response.extensions().get::<Arc<ApiError>>().cloned();
        let own = response.extensions().get::<OwnBody>().copied();
        let notes = context.notes();
        let response = finish(
            response,
            error.as_deref(),
            &Asked { method: &method, uri: uri.as_ref(), id: &id, origin: &origin },
            &notes,
        );
        log::request(&log::Request {
            id: &id,
            lambda_id,
            version: &self.version,
            cold_start: !self.has_served.swap(true, Ordering::Relaxed),
            method: &method,
            status: response.status(),
            error: error.as_deref(),
            own,
            notes: &notes,
            db_calls: calls.number(),
            duration: started.elapsed(),
        });
        GatewayResponse::of(response).await
    }

    async fn respond(&self, request: Request) -> Response<Body> {
        let answer = deadline::limit(self.router.clone().oneshot(request)).await;
        match answer {
            Ok(Ok(response)) => response,
            Ok(Err(never)) => match never {},
            Err(elapsed) => (self.fail)(ApiError::Unavailable(Box::new(elapsed))),
        }
    }
}

/// Whether it is a CORS preflight (Fetch, section 3.2.2). On a route with the method ANY, the gateway passes preflights on, expects a 2xx,
/// and adds the headers itself. So a preflight needs no key, limit or table.
fn is_preflight(request: &Request) -> bool {
    request.method() == Method::OPTIONS && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// What the response needs to know about its request.
struct Asked<'a> {
    method: &'a Method,
    /// `None`: the event could not be converted to a request.
    uri: Option<&'a Uri>,
    id: &'a str,
    origin: &'a Origin,
}

/// Writes the envelope of an error, and the headers that every response has.
fn finish(
    mut response: Response<Body>,
    error: Option<&ApiError>,
    Asked { method, uri, id, origin }: &Asked<'_>,
    notes: &Notes,
) -> Response<Body> {
    let is_told = response.extensions().get::<OwnBody>().is_some();
    if let Some(error) = error.filter(|_| !is_told) {
        let body = error.body(id, &origin.to_string());
        response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
        if **method != Method::HEAD {
            *response.body_mut() = Body::from(body);
        }
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(seconds) = error.retry_after() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if matches!(error, ApiError::MissingApiKey(_) | ApiError::InvalidApiKey) {
            let challenge = HeaderValue::from_static("ApiKey realm=\"Head Honta API\", header=\"X-API-Key\"");
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
    }
    envelope::complete_location(&mut response, origin);
    if let Some(uri) = uri {
        listed::link_to_next(&mut response, uri, origin);
    }
    let headers = response.headers_mut();
    notes.add_headers(headers);
    // A response belongs to one organization unless it says otherwise, so no cache along the way may store it.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    security_headers::secure(headers);
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(REQUEST_ID, id);
    }
    response
}

async fn note_route(request: Request, next: Next) -> Response<Body> {
    if let Some(path) = request.extensions().get::<MatchedPath>() {
        context::note_route(path.as_str());
    }
    next.run(request).await
}

/// Runs a function in Lambda: reads the environment, opens the connection to DynamoDB while the init phase still has the full CPU, then
/// serves events until the runtime ends it. If it can't start, one log line says why.
pub async fn run(routes: Routes) -> ExitCode {
    run_with(|app| Ok(Api::new(routes, app))).await
}

/// Like [`run`], for a function whose state is more than [`App`].
pub async fn run_with(make: impl FnOnce(App) -> Result<Api, SettingError>) -> ExitCode {
    match start(make).await {
        Ok(api) => serve(api).await,
        Err(failed) => failed,
    }
}

/// Starts the log, makes the function, and opens its connection to DynamoDB.
pub(crate) async fn start<T>(make: impl FnOnce(App) -> Result<T, SettingError>) -> Result<T, ExitCode> {
    log::start();
    match App::from_env().and_then(|app| Ok((app.db.clone(), make(app)?))) {
        Ok((db, made)) => {
            db.open_connection().await;
            Ok(made)
        }
        Err(error) => {
            tracing::error!(%error, "the function can't start");
            Err(ExitCode::FAILURE)
        }
    }
}

/// Runs a function in Lambda that needs no key, no table and no configuration.
pub async fn run_open(router: Router) -> ExitCode {
    log::start();
    serve(Api::open(router)).await
}

async fn serve(api: Api) -> ExitCode {
    let serve = lambda_runtime::service_fn(|event: LambdaEvent<Box<RawValue>>| {
        let api = api.clone();
        async move { Ok::<_, Infallible>(api.answer(&event.payload, &event.context.request_id).await) }
    });
    ended(lambda_runtime::run(serve).await)
}

/// How the process ends with its runtime.
pub(crate) fn ended(ran: Result<(), lambda_runtime::Error>) -> ExitCode {
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error, "the runtime ended");
            ExitCode::FAILURE
        }
    }
}

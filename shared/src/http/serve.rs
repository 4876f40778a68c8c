//! The layers that every request passes, put on once, for Lambda, for one machine and for tests alike.
//!
//! From the outside in: the event is checked and becomes a request; the request's id, its notes and its deadline; the
//! answer's error envelope, headers and log line; then, inside the router, the route's name and the panic guard.

use std::{
    convert::Infallible,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Body,
    extract::{MatchedPath, Request},
    http::{HeaderValue, Method, Response, StatusCode, Uri, header},
    middleware::{self, Next},
    response::IntoResponse,
};
use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpResponse;
use lambda_runtime::LambdaEvent;
use serde_json::value::RawValue;
use tower::ServiceExt;
use tower_http::catch_panic::CatchPanicLayer;

use crate::{
    http::{
        app::{self, App, SettingError},
        context::{self, Notes, RequestContext},
        envelope,
        error::{ApiError, OwnBody},
        event::{self, Origin},
        listed, log,
        route::Routes,
        security_headers,
    },
    store::calls::Calls,
};

/// A request that takes longer is answered `503`, well before Lambda's own time-out (10 s) would end it without an answer.
pub const REQUEST_TIMEOUT: Duration = Duration::from_millis(4_500);

const REQUEST_ID: &str = "x-request-id";

/// A function's whole service: from an event to its answer.
#[derive(Clone, Debug)]
pub struct Api {
    router: Router,
    /// Shows what fails beside the handlers: a panic, and a request that takes too long.
    fail: fn(ApiError) -> Response<Body>,
    /// The function's version, such as `7`; empty outside Lambda.
    version: Arc<str>,
    has_served: Arc<AtomicBool>,
}

impl Api {
    /// Serves `routes` with the layers around them.
    #[must_use]
    pub fn new(routes: Routes, app: App) -> Self {
        Self::open(routes.router.with_state(app))
    }

    /// Serves what needs no key, with the same layers.
    #[must_use]
    pub fn open(router: Router) -> Self {
        Self::pages(router, ApiError::into_response)
    }

    /// As [`open`](Self::open), for pages: what fails beside their handlers is shown by `fail`.
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

    /// Answers an event. `lambda_id` is the invocation's id: for the log, and for the request where the event has no id.
    pub async fn answer(&self, event: &RawValue, lambda_id: &str) -> ApiGatewayV2httpResponse {
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
        event::from_response(response).await.unwrap_or_else(|_| {
            // Every body is in memory, so that reading one can't fail.
            let mut answer = ApiGatewayV2httpResponse::default();
            answer.status_code = 500;
            answer
        })
    }

    async fn respond(&self, request: Request) -> Response<Body> {
        let answer = tokio::time::timeout(REQUEST_TIMEOUT, self.router.clone().oneshot(request)).await;
        match answer {
            Ok(Ok(response)) => response,
            Ok(Err(never)) => match never {},
            Err(elapsed) => (self.fail)(ApiError::Unavailable(Box::new(elapsed))),
        }
    }
}

/// Whether a browser asks what it may send from another origin (Fetch, section 3.2.2). The gateway passes preflights on wherever a route
/// takes ANY, expects a 2xx, and adds the headers itself; so no function looks at a key, a limit or a table for one.
fn is_preflight(request: &Request) -> bool {
    request.method() == Method::OPTIONS && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// What an answer repeats of its request.
struct Asked<'a> {
    method: &'a Method,
    /// `None`: the event was none that a request could be made of.
    uri: Option<&'a Uri>,
    id: &'a str,
    origin: &'a Origin,
}

/// Writes the envelope of an error, and the headers that every answer has.
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
    // An answer is one organization's, unless it says otherwise: no cache between may keep it.
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

/// Runs a function in Lambda: reads the environment, opens the connection to DynamoDB while the start still has the full
/// processor, then serves events until the runtime ends it. What keeps it from starting is one line of the log.
pub async fn run(routes: Routes) -> ExitCode {
    run_with(|app| Ok(Api::new(routes, app))).await
}

/// As [`run`], for a function that makes more of its state than [`App`].
pub async fn run_with(make: impl FnOnce(App) -> Result<Api, SettingError>) -> ExitCode {
    log::start();
    let made = App::from_env().and_then(|app| Ok((app.db.clone(), make(app)?)));
    let (db, api) = match made {
        Ok(made) => made,
        Err(error) => {
            tracing::error!(%error, "the function can't start");
            return ExitCode::FAILURE;
        }
    };
    db.open_connection().await;
    serve(api).await
}

/// Runs a function in Lambda that needs no key, no table and nothing of the environment.
pub async fn run_open(router: Router) -> ExitCode {
    log::start();
    serve(Api::open(router)).await
}

async fn serve(api: Api) -> ExitCode {
    let serve = lambda_runtime::service_fn(|event: LambdaEvent<Box<RawValue>>| {
        let api = api.clone();
        async move { Ok::<_, Infallible>(api.answer(&event.payload, &event.context.request_id).await) }
    });
    match lambda_runtime::run(serve).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error, "the runtime ended");
            ExitCode::FAILURE
        }
    }
}

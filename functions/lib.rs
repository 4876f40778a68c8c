//! The one list of the API's functions. What serves, describes, tests, measures and builds them all follows it.
//!
//! A function that is added needs a row here, a crate in a folder of its own beside this one, and its part of `template.yaml`.

use std::sync::Arc;

use settings::Issuer;
use shared::http::{app::App, route::Routes, serve::Api};

/// One function.
#[derive(Debug)]
pub struct Function {
    /// Where its crate is, by which `template.yaml` knows it (`CodeUri`): `functions/jobs`.
    pub code_uri: &'static str,
    /// The group of its operations in the contract; `None`: it has none there.
    pub group: Option<Group>,
    /// The operations that it serves with a key.
    pub routes: fn() -> Routes,
    /// The whole function, with a state of its own.
    pub api: fn(App, &Arc<Issuer>) -> Api,
    /// What it may cost to start.
    pub budget: Budget,
}

/// A group of operations.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    /// Its tag.
    pub tag: &'static str,
    /// What it is about, in a sentence.
    pub about: &'static str,
}

/// What a function may cost to start. `measure` fails where one costs a tenth more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// From the start of the process to the first request for an invocation. Opening the connection to DynamoDB is 0.8 million of them:
    /// otherwise the first request would pay for it.
    pub instructions: u64,
    /// Of the binary when it is compressed.
    pub zipped_bytes: u64,
    /// After a thousand requests.
    pub peak_kib: u64,
}

const BUDGET: Budget = Budget { instructions: 2_100_000, zipped_bytes: 2_500_000, peak_kib: 12 * 1_024 };

/// Every function.
pub const FUNCTIONS: [Function; 7] = [
    with_key("functions/jobs", "Jobs", "Jobs in your organization.", jobs::router, |app, _| {
        Api::new(jobs::router(), app)
    }),
    with_key("functions/candidates", "Candidates", "Candidates in your organization.", candidates::router, |app, _| {
        Api::new(candidates::router(), app)
    }),
    with_key(
        "functions/pipeline",
        "Pipeline",
        "Pipeline stages, and the candidates in them.",
        pipeline::router,
        |app, _| Api::new(pipeline::router(), app),
    ),
    with_key(
        "functions/applications",
        "Applications",
        "Applications to jobs, and their status.",
        applications::router,
        |app, _| Api::new(applications::router(), app),
    ),
    with_key(
        "functions/usage",
        "Usage",
        "What a key can do, and how much of its limits is used.",
        usage::router,
        |app, _| Api::new(usage::router(), app),
    ),
    Function {
        code_uri: "functions/settings",
        group: None,
        routes: Routes::new,
        api: |app, issuer| settings::api(app, Arc::clone(issuer)),
        // A second HTTP client with the public roots, and every signature that an issuer may use. Nobody waits for it but a person.
        budget: Budget { instructions: 2_500_000, zipped_bytes: 3_300_000, ..BUDGET },
    },
    Function {
        code_uri: "functions/docs",
        group: None,
        routes: Routes::new,
        api: |_, _| Api::open(docs::router()),
        budget: BUDGET,
    },
];

const fn with_key(
    code_uri: &'static str,
    tag: &'static str,
    about: &'static str,
    routes: fn() -> Routes,
    api: fn(App, &Arc<Issuer>) -> Api,
) -> Function {
    Function { code_uri, group: Some(Group { tag, about }), routes, api, budget: BUDGET }
}

impl Function {
    /// What its crate and its binary are called: `jobs`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.code_uri.rsplit('/').next().unwrap_or(self.code_uri)
    }
}

/// The functions that serve operations, which need a key.
pub fn with_operations() -> impl Iterator<Item = &'static Function> {
    FUNCTIONS.iter().filter(|function| function.group.is_some())
}

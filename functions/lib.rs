//! The one list of the functions, used to serve, describe, test, measure and build them. It knows no handler.
//!
//! A new function needs a row here, a crate in its own folder beside this file, and its part of `template.yaml`.

use std::sync::Arc;

use settings::Issuer;
use shared::{
    http::{app::App, route::Routes, serve::Api},
    schedule::Task,
};

/// One function.
#[derive(Debug)]
pub struct Function {
    /// Its crate's folder, and its `CodeUri` in `template.yaml`: `functions/jobs`.
    pub code_uri: &'static str,
    /// The group of its operations in the contract. `None`: it has no operations there.
    pub group: Option<Group>,
    /// The operations that it serves to keys.
    pub routes: fn() -> Routes,
    /// What runs it, and the whole function, with its own state.
    pub trigger: Trigger,
    /// What it may cost.
    pub budget: Budget,
}

/// What runs a function.
#[derive(Clone, Copy, Debug)]
pub enum Trigger {
    /// Requests.
    Http(fn(App, &Arc<Issuer>) -> Api),
    /// A schedule.
    Schedule(fn(App) -> Task),
}

/// A group of operations.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    /// Its tag.
    pub tag: &'static str,
    /// Its description, in one sentence.
    pub about: &'static str,
}

/// What a function may cost. `measure` fails if one is over by more than 10%.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// CPU instructions from the start of the process to its first request for an invocation. Opening the connection to DynamoDB is
    /// 0.8 million of them, which the first request would pay for otherwise.
    pub instructions: u64,
    /// Size of the compressed binary.
    pub zipped_bytes: u64,
    /// Peak memory after a thousand requests or runs.
    pub peak_kib: u64,
}

const BUDGET: Budget = Budget { instructions: 2_050_000, zipped_bytes: 2_500_000, peak_kib: 12 * 1_024 };

/// What a typical request may cost, to the warm `jobs` function. `measure` fails if one is over by more than 10%.
#[derive(Debug)]
pub struct RequestBudget {
    /// What `measure` calls it.
    pub name: &'static str,
    /// Its method.
    pub method: &'static str,
    /// Its path, with `{id}` for a job's id.
    pub path: &'static str,
    /// Its body, if it has one.
    pub body: Option<&'static str>,
    /// CPU instructions, without a processor's own for SHA-256. Each includes admission, which makes one call to DynamoDB.
    pub instructions: u64,
}

/// The requests that are measured. The page has 20 jobs of a kilobyte each.
pub const REQUESTS: [RequestBudget; 3] = [
    RequestBudget { name: "list 20 jobs", method: "GET", path: "/api/v1/jobs", body: None, instructions: 2_300_000 },
    RequestBudget { name: "get a job", method: "GET", path: "/api/v1/jobs/{id}", body: None, instructions: 1_450_000 },
    RequestBudget {
        name: "create a job",
        method: "POST",
        path: "/api/v1/jobs",
        body: Some(r#"{"title":"Night shift nurse","status":"open","location":"Hamburg, Germany"}"#),
        instructions: 1_500_000,
    },
];

/// Every function.
pub const FUNCTIONS: [Function; 8] = [
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
        trigger: Trigger::Http(|app, issuer| settings::api(app, Arc::clone(issuer))),
        // It has a second HTTP client with the public roots, and every signature algorithm that an issuer may use. Only people wait for it.
        budget: Budget { instructions: 2_300_000, zipped_bytes: 3_200_000, ..BUDGET },
    },
    Function {
        code_uri: "functions/docs",
        group: None,
        routes: Routes::new,
        trigger: Trigger::Http(|_, _| Api::open(docs::router())),
        budget: BUDGET,
    },
    Function {
        code_uri: "functions/erasures",
        group: None,
        routes: Routes::new,
        trigger: Trigger::Schedule(erasures::task),
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
    Function { code_uri, group: Some(Group { tag, about }), routes, trigger: Trigger::Http(api), budget: BUDGET }
}

impl Function {
    /// The name of its crate and its binary: `jobs`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.code_uri.rsplit('/').next().unwrap_or(self.code_uri)
    }
}

/// The functions that serve operations, which need a key.
pub fn with_operations() -> impl Iterator<Item = &'static Function> {
    FUNCTIONS.iter().filter(|function| function.group.is_some())
}

//! The usage page: requests by key and day, and what is left of the month. It counts nothing.

use axum::extract::State;
use maud::{Markup, html};
use shared::{
    contract::error_code::ErrorCode,
    http::app::App,
    model::{clock::Timestamp, denial::Denial, plan::Allowance},
    store::{
        api_key::{self, KeySummary},
        key_day::KeyDay,
        organization::{self, Organization},
        usage,
    },
};

use crate::{
    Settings,
    error::SettingsError,
    fields::Fields,
    layout::{self, Section, display_form, moment, thousands},
    path::HOME,
    visitor::Visitor,
};

/// Keys per page. Each costs a Query.
const LIMIT: u8 = 5;
/// How many of a key's last refusals are shown.
const LAST_REFUSALS: usize = 3;

/// `GET /settings/usage`
pub(crate) async fn show(
    visitor: Visitor,
    State(Settings { app, .. }): State<Settings>,
    query: Fields,
) -> Result<Markup, SettingsError> {
    let now = app.clock.now();
    let cursor = query.cursor()?;
    let (keys, next) = api_key::page(&app.db, visitor.org(), cursor.as_ref(), LIMIT).await?;
    let mut charts = Vec::new();
    for key in &keys {
        charts.push(chart(&app, key, now).await?);
    }
    let content = html! {
        h1 { "Usage" }
        p { "Requests by key and day (UTC), for the last 30 days." }
        (layout::no_api_access(visitor.organization.plan))
        (month(&visitor.organization, now))
        @if charts.is_empty() {
            div class="empty" { h2 { "No keys, so no usage" } p { "Begin with a " a href=(HOME) { "key" } "." } }
        }
        @for chart in charts { (chart) }
        (layout::pages(Section::Usage.path(), cursor.is_none(), next.as_ref()))
        p class="quiet" {
            "A request counts for its day when it was served. Refusals are written down once a minute, with the key's next request, "
            "and some may be missing."
        }
    };
    Ok(layout::within(&visitor, Section::Usage, "Usage", &content))
}

fn month(organization: &Organization, now: Timestamp) -> Markup {
    let resets_at = organization::month_ends(now);
    let used = organization.requests_this_month;
    html! {
        @if organization.plan.has_api_access() { h2 { "This month" } }
        @let allowed = organization.plan.monthly_requests();
        @match allowed {
            Allowance::Limited(0) => {}
            Allowance::Limited(limit) => {
                @let left = allowed.left(used).unwrap_or(0);
                p { strong { (thousands(used)) } " of " (thousands(limit)) " requests used, " (thousands(left)) " left. It starts anew on " (moment(resets_at)) "." }
                meter min="0" max=(limit) value=(used.min(limit)) aria-label="Requests of this month" { (used) " of " (limit) }
            }
            Allowance::Unlimited => {
                p { strong { (thousands(used)) } " requests; there is no limit. It starts anew on " (moment(resets_at)) "." }
            }
        }
    }
}

async fn chart(app: &App, key: &KeySummary, now: Timestamp) -> Result<Markup, SettingsError> {
    let days = usage::history(&app.db, key, now).await?;
    let total: u64 = days.iter().map(|day| day.requests).sum();
    let state = key.state(now).as_str();
    Ok(html! {
        section class="usage" aria-labelledby=(format!("usage-{}", key.id)) {
            h2 id=(format!("usage-{}", key.id)) { (key.name) }
            p { (display_form(key)) " · " (state) " · " strong { (thousands(total)) } (if total == 1 { " request" } else { " requests" }) " in 30 days" }
            @if total > 0 {
                (bars(&key.name, &days))
            }
            @if total > 0 { details {
                summary { "The same as a table" }
                div class="scroll" role="region" aria-label=(format!("Requests of {} by day", key.name)) {
                    table {
                        thead { tr { th scope="col" { "Day" } th scope="col" { "Requests" } th scope="col" { "Refused" } } }
                        tbody {
                            @for day in &days {
                                tr {
                                    th scope="row" { (day.date) } td { (thousands(day.requests)) }
                                    td { (thousands(day.denials.values().sum())) }
                                }
                            }
                        }
                    }
                }
            } }
            (denials(&days))
            (last_refusals(key, &days))
        }
    })
}

/// A chart of 30 bars, oldest day first. The table contains the same data.
fn bars(name: &str, days: &[KeyDay]) -> Markup {
    const HEIGHT: u64 = 112;
    const STEP: usize = 20;
    let most = days.iter().map(|day| day.requests).max().unwrap_or(0).max(1);
    let total: u64 = days.iter().map(|day| day.requests).sum();
    let told = format!("Requests of {name} by day: {total} in 30 days, at most {most} on one.");
    html! {
        svg class="bars" viewBox="0 0 600 150" role="img" aria-label=(told) {
            line class="axis" x1="0" y1="130" x2="600" y2="130" {}
            @for (at, day) in days.iter().rev().enumerate() {
                // Round up, so that any request shows at least a line.
                @let height = (day.requests * HEIGHT).div_ceil(most);
                rect class="bar" x=(at * STEP + 2) y=(130 - height) width=(STEP - 4) height=(height) {
                    title { (day.date) ": " (day.requests) }
                }
            }
            @if let (Some(last), Some(first)) = (days.first(), days.last()) {
                text x="0" y="147" { (first.date) }
                text x="600" y="147" text-anchor="end" { (last.date) }
                text x="600" y="9" text-anchor="end" { "at most " (thousands(most)) " a day" }
            }
        }
    }
}

/// The last refusals of requests with the key: the latest first, each with its code.
fn last_refusals(key: &KeySummary, days: &[KeyDay]) -> Markup {
    let denied = days.iter().flat_map(|day| &day.last_denials).map(|last| (last.at, ErrorCode::from(last.denial)));
    let late = key.late_use_at.map(|at| (at, ErrorCode::InvalidApiKey));
    let mut last: Vec<(Timestamp, ErrorCode)> = denied.chain(late).collect();
    last.sort_by_key(|(at, code)| (std::cmp::Reverse(*at), code.as_str()));
    // Several instances may have written the same refusal, or on two days.
    last.dedup();
    last.truncate(LAST_REFUSALS);
    html! {
        @if !last.is_empty() {
            p { "Last refused:" }
            ul {
                @for (at, code) in last {
                    li { (moment(at)) " " a href=(format!("/docs/errors#{}", code.as_str())) { code { (code.as_str()) } } }
                }
            }
        }
    }
}

fn denials(days: &[KeyDay]) -> Markup {
    let sum = |denial| days.iter().filter_map(|day| day.denials.get(&denial)).sum::<u64>();
    let all: Vec<(ErrorCode, u64)> = Denial::ALL.map(|denial| (ErrorCode::from(denial), sum(denial))).to_vec();
    html! {
        @if all.iter().all(|(_, count)| *count == 0) {
            p { "No refusal was counted." }
        } @else {
            p { "Refused, by reason:" }
            ul {
                @for (reason, count) in all.iter().filter(|(_, count)| *count > 0) {
                    li { strong { (thousands(*count)) } " × " a href=(format!("/docs/errors#{}", reason.as_str())) { code { (reason.as_str()) } } " — " (reason.about()) }
                }
            }
        }
    }
}

//! The page of the plans, and of what changes with another plan. It changes none.

use maud::{Markup, html};
use shared::model::{
    plan::{Allowance, Plan},
    window::BURST_LIMIT,
};

use crate::{
    layout::{self, Section, plan_name, thousands},
    visitor::Visitor,
};

fn allowed(allowance: Allowance) -> String {
    match allowance {
        Allowance::Limited(limit) => thousands(limit),
        Allowance::Unlimited => "unlimited".to_owned(),
    }
}

/// `GET /settings/plan`
pub(crate) async fn show(visitor: Visitor) -> Markup {
    let organization = &visitor.organization;
    let content = html! {
        h1 { "Plan" }
        p { (organization.name) " is on the " strong { (plan_name(organization.plan)) } " plan." }
        (layout::no_api_access(organization.plan))
        div class="scroll" role="region" aria-label="Plans" {
            table {
                thead { tr {
                    th scope="col" { "Plan" } th scope="col" { "API access" } th scope="col" { "Keys" }
                    th scope="col" { "Requests per month (UTC)" } th scope="col" { "Requests per minute per key" }
                } }
                tbody {
                    @for plan in Plan::ALL {
                        @let is_ours = plan == organization.plan;
                        tr aria-current=[is_ours.then_some("true")] {
                            th scope="row" { (plan_name(plan)) @if is_ours { " (current)" } }
                            td { (if plan.has_api_access() { "yes" } else { "no" }) }
                            td { (allowed(plan.keys())) }
                            td { (allowed(plan.monthly_requests())) }
                            td { (if plan.has_api_access() { BURST_LIMIT.to_string() } else { "—".to_owned() }) }
                        }
                    }
                }
            }
        }
        h2 { "What changes with another plan" }
        ul {
            li { "The requests of the month that are made already count: on a larger plan what is left grows at once, on a smaller one it may be nothing until the month is over." }
            li { "Keys stay as they are. Where a smaller plan allows fewer, enough must be revoked before it can be changed. On a plan without API access every key is refused, and none is lost." }
            li { "It takes effect with the next request; an instance that has just found the month used up notices within five seconds." }
        }
        p { "Changing the plan is done by whoever runs this service: ask them." }
    };
    layout::within(&visitor, Section::Plan, "Plan", &content)
}

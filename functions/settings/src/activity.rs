//! The activity page: changes to keys, members and the plan, and who signed in and out. It knows no table.

use axum::extract::State;
use maud::{Markup, html};
use shared::store::activity::{self, Actor, Subject};

use crate::{
    Settings,
    error::SettingsError,
    fields::Fields,
    layout::{self, Section, moment, plan_name},
    path::HOME,
    visitor::Visitor,
};

/// Entries per page.
const LIMIT: u8 = 50;

/// `GET /settings/activity`
pub(crate) async fn list(
    visitor: Visitor,
    State(Settings { app, .. }): State<Settings>,
    query: Fields,
) -> Result<Markup, SettingsError> {
    let now = app.clock.now();
    let cursor = query.cursor()?;
    let (entries, next) = activity::page(&app.db, visitor.org(), cursor.as_ref(), LIMIT, now).await?;
    // Only admins see network addresses and the operator's identity.
    let is_admin = visitor.is_admin();
    let content = html! {
        h1 { "Activity" }
        p { "What was done to your organization's keys, members and plan, which candidates were erased, and who signed in and out, latest first. It is kept for 400 days." }
        @if entries.is_empty() {
            div class="empty" { h2 { "Nothing yet" } p { "Creating a " a href=(HOME) { "key" } " will be an entry." } }
        } @else {
            div class="scroll" role="region" aria-label="Activity" {
                table class="activity" {
                    thead { tr {
                        th scope="col" { "When" } th scope="col" { "Who" } th scope="col" { "Action" } th scope="col" { "What" }
                        @if is_admin { th scope="col" { "IP address" } }
                    } }
                    tbody {
                        @for entry in &entries {
                            tr {
                                td { (moment(entry.at)) }
                                td { (who(&entry.actor, is_admin)) }
                                td { (entry.act.about()) }
                                td { (what(&entry.subject)) }
                                @if is_admin { td { (entry.address().unwrap_or("—")) } }
                            }
                        }
                    }
                }
            }
        }
        (layout::pages(Section::Activity.path(), cursor.is_none(), next.as_ref()))
    };
    Ok(layout::within(&visitor, Section::Activity, "Activity", &content))
}

fn who(actor: &Actor, is_admin: bool) -> Markup {
    html! {
        (actor.name())
        @if let Some(caller) = actor.caller().filter(|_| is_admin) { " (" (caller) ")" }
    }
}

fn what(subject: &Subject) -> Markup {
    html! {
        @match subject {
            Subject::Key { id, name, last_four } => { (name) " " code { (id.display_form(last_four)) } }
            Subject::Member { email, role } => { (email) ", " (role.as_str()) }
            Subject::Plan { before, after } => { "from " (plan_name(*before)) " to " (plan_name(*after)) }
            Subject::Candidate { id } => { code { (id) } }
            Subject::Session => "—",
        }
    }
}

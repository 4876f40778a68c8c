//! Who made, rotated and revoked what.

use axum::extract::State;
use maud::{Markup, html};
use shared::records::activity;

use crate::{
    Settings,
    fields::Fields,
    page::{self, Section, moment},
    refusal::Refusal,
    visitor::Visitor,
};

/// Entries of a page.
const LIMIT: u8 = 50;

/// `GET /settings/activity`
pub(crate) async fn list(
    visitor: Visitor,
    State(Settings { app, .. }): State<Settings>,
    query: Fields,
) -> Result<Markup, Refusal> {
    let now = app.clock.now();
    let cursor = query.cursor()?;
    let (entries, next) = activity::page(&app.db, visitor.org(), cursor.as_ref(), LIMIT, now).await?;
    let content = html! {
        h1 { "Activity" }
        p { "What was done to your organization's keys, latest first. It is kept for 400 days." }
        @if entries.is_empty() {
            div class="empty" { h2 { "Nothing yet" } p { "Creating the first " a href=(crate::HOME) { "key" } " will be the first entry." } }
        } @else {
            div class="scroll" role="region" aria-label="Activity" {
                table {
                    thead { tr {
                        th scope="col" { "When" } th scope="col" { "Who" } th scope="col" { "Action" } th scope="col" { "Key" } th scope="col" { "IP address" }
                    } }
                    tbody {
                        @for entry in &entries {
                            tr {
                                td { (moment(entry.at)) }
                                td { (entry.actor.name()) }
                                td { (entry.act.as_str()) }
                                td { (entry.key_name) " " code { (entry.key.display_form(&entry.last_four)) } }
                                td { (entry.address().unwrap_or("—")) }
                            }
                        }
                    }
                }
            }
        }
        (page::pages(Section::Activity.path(), cursor.is_none(), next.as_ref()))
    };
    Ok(page::within(&visitor, Section::Activity, "Activity", &content))
}

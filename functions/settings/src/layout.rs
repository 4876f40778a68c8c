//! What all pages share: the frame, the assets, and the format of moments, numbers and keys. It knows no page's content.

use std::sync::LazyLock;

use axum::{
    extract::Request,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use data_encoding::HEXLOWER;
use maud::{DOCTYPE, Markup, html};
use sha2::{Digest, Sha256};
use shared::{
    html::{FOR_EVER, without_digest},
    model::{clock::Timestamp, plan::Plan},
    store::api_key::KeySummary,
};

use crate::{error::SettingsError, path::HOME, visitor::Visitor};

/// A file that pages refer to. Its name contains a digest of its content, so it can be cached forever.
struct Asset {
    name: String,
    media_type: &'static str,
    text: &'static str,
}

impl Asset {
    fn new(stem: &str, kind: &str, media_type: &'static str, text: &'static str) -> Self {
        let digest = HEXLOWER.encode(&Sha256::digest(text)[..5]);
        Self { name: format!("{stem}.{digest}.{kind}"), media_type, text }
    }

    fn path(&self) -> String {
        format!("/settings/assets/{}", self.name)
    }
}

/// The style and the copy buttons are those of the developer pages.
static STYLE: LazyLock<Asset> = LazyLock::new(|| {
    let text = concat!(include_str!("../../../site/site.css"), include_str!("../site/settings.css"));
    Asset::new("settings", "css", "text/css; charset=utf-8", text)
});
static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    let text = concat!(include_str!("../../../site/site.js"), include_str!("../site/settings.js"));
    Asset::new("settings", "js", "text/javascript; charset=utf-8", text)
});
static ICON: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("icon", "svg", "image/svg+xml", include_str!("../../../site/icon.svg")));

/// `GET /settings/assets/{name}`
pub(crate) async fn asset(request: Request) -> Result<Response, SettingsError> {
    let all: [&LazyLock<Asset>; 3] = [&STYLE, &SCRIPT, &ICON];
    let path = request.uri().path();
    let (asset, caching) = if let Some(asset) = all.iter().find(|asset| asset.path() == path) {
        (asset, FOR_EVER)
    } else {
        let same = |asset: &&&LazyLock<Asset>| without_digest(&asset.path()) == without_digest(path);
        (all.iter().find(same).ok_or(SettingsError::Unknown)?, "no-store")
    };
    let mut response = asset.text.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.media_type));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    Ok(response)
}

/// The pages in the navigation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    Keys,
    Usage,
    Activity,
    Plan,
}

impl Section {
    const ALL: [Self; 4] = [Self::Keys, Self::Usage, Self::Activity, Self::Plan];

    pub(crate) const fn path(self) -> &'static str {
        match self {
            Self::Keys => HOME,
            Self::Usage => "/settings/usage",
            Self::Activity => "/settings/activity",
            Self::Plan => "/settings/plan",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Keys => "API keys",
            Self::Usage => "Usage",
            Self::Activity => "Activity",
            Self::Plan => "Plan",
        }
    }
}

/// A page for someone who is signed in.
pub(crate) fn within(visitor: &Visitor, section: Section, title: &str, content: &Markup) -> Markup {
    let header = html! {
        p class="where" { "Settings › Developer" }
        nav aria-label="Settings" {
            ul {
                @for of in Section::ALL {
                    li { a href=(of.path()) aria-current=[(of == section).then_some("page")] { (of.title()) } }
                }
                li { a href="/docs" { "Developer guides" } }
            }
        }
        form class="who" method="post" action="/settings/sign-out" {
            (token(visitor))
            p { strong { (visitor.organization.name) } br; (visitor.member.email.as_str()) br; (visitor.member.role.as_str()) }
            button type="submit" { "Sign out" }
        }
    };
    frame(title, None, &header, content)
}

/// A page for anyone.
pub(crate) fn alone(title: &str, content: &Markup) -> Markup {
    frame(title, None, &header_of_nobody(), content)
}

/// A page for anyone that forwards to `url` at once, without a script.
pub(crate) fn leading_to(url: &str, title: &str, content: &Markup) -> Markup {
    frame(title, Some(url), &header_of_nobody(), content)
}

fn header_of_nobody() -> Markup {
    html! {
        p class="where" { "Settings › Developer" }
        nav aria-label="Settings" { ul { li { a href="/docs" { "Developer guides" } } } }
    }
}

fn frame(title: &str, onward: Option<&str>, header: &Markup, content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " · Head Honta settings" }
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex";
                @if let Some(url) = onward { meta http-equiv="refresh" content=(format!("0; url={url}")); }
                link rel="icon" href=(ICON.path()) type="image/svg+xml";
                link rel="stylesheet" href=(STYLE.path());
                script src=(SCRIPT.path()) defer {}
            }
            body {
                a class="skip" href="#content" { "Skip to the content" }
                header {
                    a class="brand" href="/settings" { img src=(ICON.path()) alt="" width="28" height="28"; "Head Honta" }
                    (header)
                }
                main id="content" { (content) }
                p class="sr" id="status" role="status" {}
            }
        }
    }
}

/// The hidden field that every form of this session needs.
pub(crate) fn token(visitor: &Visitor) -> Markup {
    html! { input type="hidden" name="token" value=(visitor.form_token()); }
}

/// A radio button with its label. The first of a group has the group's name as its id, so that an error can link to it.
pub(crate) fn radio(name: &str, value: &str, title: &str, is_first: bool, is_chosen: bool) -> Markup {
    radio_with(name, value, &html! { (title) }, is_first, is_chosen)
}

/// The same, with a title that has markup.
pub(crate) fn radio_with(name: &str, value: &str, title: &Markup, is_first: bool, is_chosen: bool) -> Markup {
    html! {
        label class="choice" {
            input type="radio" id=[is_first.then_some(name)] name=(name) value=(value) checked[is_chosen];
            span { (title) }
        }
    }
}

/// `2026-11-24 12:00 UTC`
pub(crate) fn moment(at: Timestamp) -> Markup {
    let text = at.to_string();
    html! { time datetime=(text) { (text[..10]) " " (text[11..16]) " UTC" } }
}

/// The key's display form. We can't show more: only a digest of the key is stored.
pub(crate) fn display_form(key: &KeySummary) -> Markup {
    html! { code { (key.id.display_form(&key.last_four)) } }
}

/// The plan's name, capitalized.
pub(crate) fn plan_name(plan: Plan) -> String {
    let (first, rest) = plan.as_str().split_at(1);
    first.to_uppercase() + rest
}

/// A notice that every key is rejected, if the plan has no API access.
pub(crate) fn no_api_access(plan: Plan) -> Markup {
    html! {
        @if !plan.has_api_access() {
            p class="notice" {
                "The " (plan_name(plan)) " plan has no API access: every key is refused, and none can be created. The "
                a href=(Section::Plan.path()) { "other plans" } " have it."
            }
        }
    }
}

/// `once`, `2 times`
pub(crate) fn times(count: u64) -> String {
    if count == 1 { "once".to_owned() } else { format!("{} times", thousands(count)) }
}

/// `10,000`
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().filter_map(|group| std::str::from_utf8(group).ok()).collect();
    groups.join(",")
}

/// The link to the next page, and back to the first.
pub(crate) fn pages(path: &str, is_first: bool, next: Option<&impl ToString>) -> Markup {
    html! {
        @if !is_first || next.is_some() {
            nav class="pages" aria-label="Pages" {
                @if !is_first { a href=(path) { "First page" } " " }
                @if let Some(next) = next { a href=(format!("{path}?cursor={}", next.to_string())) rel="next" { "Next page" } }
            }
        }
    }
}

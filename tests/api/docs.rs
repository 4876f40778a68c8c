//! The developer pages: which pages exist, that they match the contract, and how they are served.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::SocketAddr,
};

use axum::{
    body::{Body, Bytes, to_bytes},
    http::{HeaderMap, Request},
};
use flate2::read::GzDecoder;
use serde_json::Value;
use shared::{
    contract::error_code::{ErrorCode, Retry},
    http::error::ERRORS_PAGE,
    model::{plan::Plan, scope::Scope},
};

use crate::{
    every_route::ROUTES,
    test_app::{TEMPLATE, TestApp, no_issuer, unused_app},
};

struct Page {
    status: u16,
    headers: HeaderMap,
    bytes: Bytes,
}

impl Page {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.bytes).unwrap()
    }
}

/// Gets a page as a browser does, without a key or a database.
async fn get(path: &str, headers: &[(&str, &str)]) -> Page {
    ask("GET", path, headers).await
}

async fn ask(method: &str, path: &str, headers: &[(&str, &str)]) -> Page {
    let gateway = local::gateway::Gateway::new(&TEMPLATE, unused_app, no_issuer()).unwrap();
    let mut request = Request::builder().method(method).uri(path).header("host", "api.example.com");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::empty()).unwrap();
    let response = gateway.handle(request, SocketAddr::from(([192, 0, 2, 1], 443))).await;
    let (parts, body) = response.into_parts();
    Page { status: parts.status.as_u16(), headers: parts.headers, bytes: to_bytes(body, usize::MAX).await.unwrap() }
}

const PAGES: [&str; 14] = [
    "/",
    "/docs",
    "/docs/authentication",
    "/docs/pagination",
    "/docs/reference",
    "/docs/examples",
    "/docs/rate-limits",
    "/docs/retries",
    "/docs/promises",
    "/docs/erasing",
    "/docs/errors",
    "/docs/changelog",
    "/docs/swagger",
    "/docs/nowhere",
];

/// All values of an attribute.
fn attribute<'a>(html: &'a str, name: &str) -> Vec<&'a str> {
    let start = format!(" {name}=\"");
    html.split(start.as_str()).skip(1).map(|rest| rest.split('"').next().unwrap()).collect()
}

#[tokio::test]
async fn every_link_on_every_page_works() {
    let mut ids = BTreeMap::new();
    let mut links = BTreeSet::new();
    for path in PAGES {
        let page = get(path, &[]).await;
        assert_eq!(page.status, if path == "/docs/nowhere" { 404 } else { 200 }, "{path}");
        let anchors: BTreeSet<String> = attribute(page.text(), "id").into_iter().map(str::to_owned).collect();
        assert_eq!(anchors.len(), attribute(page.text(), "id").len(), "{path} has an id twice");
        for link in attribute(page.text(), "href").into_iter().chain(attribute(page.text(), "src")) {
            let (to, anchor) = link.split_once('#').unwrap_or((link, ""));
            links.insert((path, if to.is_empty() { path } else { to }.to_owned(), anchor.to_owned()));
        }
        ids.insert(path.to_owned(), anchors);
    }
    for (from, to, anchor) in links {
        let status = match to.as_str() {
            "/docs/nowhere" => 404,
            // Redirects to the sign-in.
            settings if settings.starts_with("/settings") => 303,
            _ => 200,
        };
        assert_eq!(get(&to, &[]).await.status, status, "{from} links to {to}");
        assert!(anchor.is_empty() || ids[&to].contains(&anchor), "{from} links to {to}#{anchor}");
    }
}

#[tokio::test]
async fn the_pages_list_every_operation_scope_plan_and_error() {
    let reference = get("/docs/reference", &[]).await;
    for row in ROUTES {
        let needs =
            row.scope.map_or("takes any valid key".to_owned(), |scope| format!("needs the scope <code>{scope}</code>"));
        let expected = format!("<code>{} {}</code> {needs}", row.method, row.path);
        assert!(reference.text().contains(&expected), "{expected}");
    }
    let authentication = get("/docs/authentication", &[]).await;
    for scope in Scope::ALL {
        let expected = format!("<td><code>{scope}</code></td><td>{}</td>", scope.about());
        assert!(authentication.text().contains(&expected), "{expected}");
    }
    let errors = get(ERRORS_PAGE, &[]).await;
    for code in ErrorCode::ALL {
        assert!(attribute(errors.text(), "id").contains(&code.as_str()), "{code:?}");
    }
    let limits = get("/docs/rate-limits", &[]).await.text().to_lowercase();
    assert!(Plan::ALL.iter().all(|plan| limits.contains(&format!("<td>{plan}</td>"))));
    assert!(limits.contains("<td>10,000</td>") && limits.contains("60 requests a minute"));
}

#[tokio::test]
async fn the_page_about_retries_and_the_contract_say_for_every_error_whether_to_retry() {
    let page = get("/docs/retries", &[]).await;
    for retry in Retry::ALL {
        assert!(page.text().contains(&format!("<tr><td><code>{}</code></td><td>", retry.as_str())), "{retry:?}");
    }
    let contract: Value = serde_json::from_slice(&get("/api/v1/openapi.json", &[]).await.bytes).unwrap();
    let listed: Vec<[&str; 2]> = contract["x-error-codes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| [&error["code"], &error["retry"]].map(|text| text.as_str().unwrap()))
        .collect();
    let all: Vec<[&str; 2]> = ErrorCode::ALL.iter().map(|code| [code.as_str(), code.retry().as_str()]).collect();
    assert_eq!(listed, all);
    for [code, retry] in all {
        let row =
            format!("<a href=\"/docs/errors#{code}\"><code>{code}</code></a></td><td><code>{retry}</code></td><td>");
        assert!(page.text().contains(&row), "{row}");
    }
}

#[tokio::test]
async fn an_errors_docs_url_links_to_its_code() {
    let app = TestApp::new().await;
    let answer = app.get("/api/v1/jobs?limit=0").await;
    let url = answer.error(400, "invalid_parameter")["docsUrl"].as_str().unwrap();
    assert_eq!(url, "http://api.example.com/docs/errors#invalid_parameter");
    let (path, anchor) = url.strip_prefix("http://api.example.com").unwrap().split_once('#').unwrap();
    assert!(attribute(get(path, &[]).await.text(), "id").contains(&anchor));
}

#[tokio::test]
async fn the_contract_is_served_as_committed() {
    let served: Value = serde_json::from_slice(&get("/api/v1/openapi.json", &[]).await.bytes).unwrap();
    let committed: Value = serde_json::from_str(&fs::read_to_string(openapi::FILE).unwrap()).unwrap();
    assert_eq!(served, committed);
}

#[tokio::test]
async fn every_page_is_available_as_markdown() {
    let list = get("/llms.txt", &[]).await;
    assert_eq!(list.header("content-type"), "text/plain; charset=utf-8");
    let links: Vec<&str> = list.text().split("](").skip(1).map(|rest| rest.split(')').next().unwrap()).collect();
    assert_eq!(links.len(), 13);
    for link in links {
        let page = get(link, &[]).await;
        assert_eq!(page.status, 200, "{link}");
        let markdown = link.starts_with("/docs/");
        assert!(!markdown || page.text().starts_with("# "), "{link}");
        assert_eq!(
            page.header("content-type"),
            if markdown { "text/markdown; charset=utf-8" } else { "application/json" }
        );
    }
}

#[tokio::test]
async fn pages_load_nothing_from_other_hosts_and_run_nothing_inline() {
    for path in PAGES {
        let page = get(path, &[]).await;
        let policy = page.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"));
        assert_eq!(page.header("x-content-type-options"), "nosniff");
        let loaded = attribute(page.text(), "src").into_iter().chain(attribute(page.text(), "href"));
        assert!(loaded.into_iter().all(|url| url.starts_with('/') || url.starts_with('#')), "{path}");
        for inline in ["<style", "<script>", " style=", " onclick="] {
            assert!(!page.text().contains(inline), "{path} has {inline}");
        }
    }
}

#[tokio::test]
async fn responses_are_compressed_only_for_clients_that_accept_it() {
    for file in docs::files().iter().filter(|file| file.path != "/docs/404") {
        let plain = get(file.path, &[]).await;
        assert_eq!((plain.header("content-encoding"), plain.header("vary")), ("", "accept-encoding"));
        for rejected in ["identity", "br", "gzip;q=0", "gzip; q=0.0, *", ""] {
            let answer = get(file.path, &[("accept-encoding", rejected)]).await;
            assert_eq!((answer.header("content-encoding"), &answer.bytes), ("", &plain.bytes), "{rejected}");
        }
        for accepted in ["gzip", "br, GZIP;q=0.5", "*", "deflate, gzip ; q=1.0"] {
            let answer = get(file.path, &[("accept-encoding", accepted)]).await;
            assert_eq!(answer.header("content-encoding"), "gzip", "{accepted}");
            let unpacked = std::io::read_to_string(GzDecoder::new(&answer.bytes[..])).unwrap();
            assert_eq!(unpacked.as_bytes(), &plain.bytes);
        }
    }
}

#[tokio::test]
async fn an_unchanged_page_is_not_sent_again_and_an_asset_is_cached_forever() {
    for path in ["/", "/docs/errors", "/docs/errors.md", "/api/v1/openapi.json"] {
        let page = get(path, &[]).await;
        assert_eq!(page.header("cache-control"), "public, no-cache", "{path}");
        let tag = page.header("etag");
        for known in [tag.to_owned(), format!("\"x\", {tag}"), tag.replace("W/", ""), "*".to_owned()] {
            let answer = get(path, &[("if-none-match", &known)]).await;
            assert_eq!((answer.status, answer.bytes.len(), answer.header("etag")), (304, 0, tag), "{known}");
            assert_eq!(
                (answer.header("content-length"), answer.header("content-type")),
                ("", page.header("content-type"))
            );
        }
        assert_eq!(get(path, &[("if-none-match", "W/\"x\"")]).await.status, 200);
    }
    let html = get("/docs", &[]).await;
    let styles = attribute(html.text(), "href").into_iter().find(|path| path.contains("/site.")).unwrap().to_owned();
    assert_eq!(get(&styles, &[]).await.header("cache-control"), "public, max-age=31536000, immutable");
    // A page of an older version requests its styles from an instance with newer ones.
    let older = get("/docs/assets/site.0123456789.css", &[]).await;
    assert_eq!((older.status, older.header("cache-control")), (200, "no-store"));
    assert_eq!(older.bytes, get(&styles, &[]).await.bytes);
    assert_eq!(get("/docs/assets/other.0123456789.css", &[]).await.status, 404);
}

#[tokio::test]
async fn the_first_view_is_under_100_kilobytes() {
    let gzip = [("accept-encoding", "gzip")];
    for path in PAGES.into_iter().filter(|path| *path != "/docs/swagger") {
        let html = get(path, &[]).await;
        let assets: BTreeSet<&str> = attribute(html.text(), "href")
            .into_iter()
            .chain(attribute(html.text(), "src"))
            .filter(|path| path.starts_with("/docs/assets/"))
            .collect();
        let mut bytes = get(path, &gzip).await.bytes.len();
        for asset in assets {
            bytes += get(asset, &gzip).await.bytes.len();
        }
        assert!(bytes < 100_000, "{path} loads {bytes} bytes");
    }
}

#[tokio::test]
async fn head_has_no_body_other_methods_are_405_and_a_trailing_slash_redirects() {
    let head = ask("HEAD", "/docs", &[]).await;
    assert_eq!((head.status, head.bytes.len()), (200, 0));
    let post = ask("POST", "/docs", &[]).await;
    assert_eq!((post.status, post.header("allow")), (405, "GET,HEAD"));
    for path in ["/docs", "/docs/errors", "/docs/errors.md"] {
        let slash = get(&format!("{path}/"), &[]).await;
        assert_eq!((slash.status, slash.header("location")), (308, path));
    }
    assert_eq!(get("/docs/404", &[]).await.status, 404);
    assert_eq!(get("/docs/nowhere/", &[]).await.status, 404);
}

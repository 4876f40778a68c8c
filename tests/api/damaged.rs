//! Damaged responses: DynamoDB's response arrives, but emptied, cut or altered on the way. The SDK retries, and if that does not help, the
//! client gets a 503: never a success that did not happen, a 404 for an object that exists, or a list without its rows.

use std::sync::Arc;

use local::database::Embedded;
use serde_json::json;
use shared::{model::plan::Plan, store::db::Db};

use crate::{
    failures::Log,
    test_app::{
        ENDPOINT, TestApp, gateway,
        proxy::{Change, Fault, Proxy},
    },
    test_settings::{TestSettings, id},
};

/// The response with another body, and whatever else it takes to be a valid HTTP message. The checksum stays only if asked.
fn with_body(response: &[u8], keeps_checksum: bool, change: impl FnOnce(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let end = response.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let body = change(&response[end + 4..]);
    let head = String::from_utf8_lossy(&response[..end]).into_owned();
    let kept = |line: &&str| {
        let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
        name != "content-length" && (keeps_checksum || name != "x-amz-crc32")
    };
    let lines: Vec<&str> = head.split("\r\n").filter(kept).collect();
    let mut changed = format!("{}\r\ncontent-length: {}\r\n\r\n", lines.join("\r\n"), body.len()).into_bytes();
    changed.extend(body);
    changed
}

fn without(body: &[u8], name: &str) -> Vec<u8> {
    let mut body: serde_json::Value = serde_json::from_slice(body).unwrap();
    body.as_object_mut().unwrap().remove(name).unwrap();
    body.to_string().into_bytes()
}

const EMPTY: Change = |response| with_body(response, false, |_| Vec::new());
const CUT_ANYWHERE: Change = |response| with_body(response, false, |body| body[..body.len() / 2].to_vec());
const CUT_AFTER_A_BRACE: Change = |response| with_body(response, false, |body| body[..body.len() - 1].to_vec());
const CUT_WITH_ITS_CHECKSUM: Change = |response| with_body(response, true, |body| body[..body.len() / 2].to_vec());
/// Still JSON, and still a record: only the checksum shows it.
const ALTERED: Change = |response| {
    with_body(response, true, |body| {
        let text = String::from_utf8_lossy(body);
        assert!(text.contains("Nurse"));
        text.replace("Nurse", "Curse").into_bytes()
    })
};
const ANOTHER_PAGE: Change = |response| with_body(response, false, |_| b"<html>Please sign in</html>".to_vec());
const WITHOUT_ITEMS: Change = |response| with_body(response, false, |body| without(body, "Items"));
const WITHOUT_RESPONSES: Change = |response| with_body(response, false, |body| without(body, "Responses"));
const EMPTY_OBJECT: Change = |response| with_body(response, false, |_| b"{}".to_vec());

/// An app whose connection to DynamoDB can damage responses.
async fn app() -> (TestApp, Proxy) {
    let mut app = TestApp::frozen(Plan::Enterprise).await;
    let proxy = Proxy::default();
    let endpoint = proxy.start(&ENDPOINT).await;
    app.db = Db::embedded(local::database::config(&endpoint).interceptor(app.tally.clone()), Embedded::tables());
    app.gateway = Arc::new(gateway(&app.db, &app.clock));
    (app, proxy)
}

/// More often than the SDK retries.
const ALWAYS: usize = 3;

#[tokio::test]
async fn a_read_whose_response_is_damaged_is_retried_and_a_503_if_it_stays_damaged() {
    for (operation, path, changes) in [
        (
            "GetItem",
            "/api/v1/jobs/{job}",
            &[EMPTY, CUT_ANYWHERE, CUT_AFTER_A_BRACE, CUT_WITH_ITS_CHECKSUM, ALTERED, ANOTHER_PAGE][..],
        ),
        (
            "Query",
            "/api/v1/jobs",
            &[
                EMPTY,
                CUT_ANYWHERE,
                CUT_AFTER_A_BRACE,
                CUT_WITH_ITS_CHECKSUM,
                ALTERED,
                ANOTHER_PAGE,
                WITHOUT_ITEMS,
                EMPTY_OBJECT,
            ],
        ),
    ] {
        for (i, change) in changes.iter().copied().enumerate() {
            // Each has its own client, whose budget for retries is its own.
            let (app, proxy) = app().await;
            let job =
                app.post("/api/v1/jobs", json!({ "title": "Nurse" })).await.ok(201)["id"].as_str().unwrap().to_owned();
            let path = path.replace("{job}", &job);
            let whole = app.get(&path).await.ok(200).clone();
            let fault = Fault { operation, table: "RecordsTable", times: 1, change };

            app.tally.take();
            proxy.fail(fault);
            assert_eq!(*app.get(&path).await.ok(200), whole, "{operation} {i}");
            proxy.assert_failed();
            assert_eq!(app.tally.take().calls[operation], 2, "{operation} {i}");

            proxy.fail(Fault { times: ALWAYS, ..fault });
            app.get(&path).await.error(503, "service_unavailable");
            proxy.assert_failed();
        }
    }
}

#[tokio::test]
async fn a_write_whose_response_is_damaged_happens_once_and_is_never_confirmed_unread() {
    for change in [EMPTY, ANOTHER_PAGE] {
        let (app, proxy) = app().await;
        let fail = |operation, times| proxy.fail(Fault { operation, table: "RecordsTable", times, change });
        for times in [1, ALWAYS] {
            let is_confirmed = times == 1;
            let status = |success| if is_confirmed { success } else { 503 };

            fail("PutItem", times);
            assert_eq!(app.post("/api/v1/jobs", json!({ "title": "Nurse" })).await.status, status(201));
            proxy.assert_failed();

            let job = app.get("/api/v1/jobs").await.ids()[0].clone();
            fail("UpdateItem", times);
            let title = format!("Nurse {times}");
            assert_eq!(app.put(&format!("/api/v1/jobs/{job}"), json!({ "title": title })).await.status, status(200));
            proxy.assert_failed();

            fail("TransactWriteItems", times);
            let body = json!({ "firstName": "Ada", "lastName": "Byron", "email": format!("ada{times}@example.com") });
            assert_eq!(app.post("/api/v1/candidates", body).await.status, status(201));
            proxy.assert_failed();
        }
        assert_eq!(app.get("/api/v1/jobs").await.rows().len(), 2);
        assert_eq!(app.get("/api/v1/candidates").await.rows().len(), 2);
    }
}

#[tokio::test]
async fn a_count_whose_response_is_damaged_admits_no_request() {
    for change in [EMPTY, EMPTY_OBJECT] {
        let (app, proxy) = app().await;
        let fault = Fault { operation: "UpdateItem", table: "AccessTable", times: ALWAYS, change };
        proxy.fail(fault);
        app.get("/api/v1/jobs").await.error(503, "service_unavailable");
        proxy.assert_failed();
        // One that is whole the next time is counted once.
        proxy.fail(Fault { times: 1, ..fault });
        let answer = app.get("/api/v1/jobs").await;
        answer.ok(200);
        proxy.assert_failed();
        assert_eq!(answer.header("x-ratelimit-remaining"), Some("58"));
    }
}

#[tokio::test]
async fn an_empty_object_is_the_whole_response_to_a_put_an_update_and_a_transaction() {
    let (app, proxy) = app().await;
    let empty = |operation| proxy.fail(Fault { operation, table: "RecordsTable", times: 1, change: EMPTY_OBJECT });
    app.tally.take();
    empty("PutItem");
    let job = app.job("open").await;
    proxy.assert_failed();
    empty("UpdateItem");
    app.put(&format!("/api/v1/jobs/{job}"), json!({ "title": "Nurse" })).await.ok(200);
    proxy.assert_failed();
    empty("TransactWriteItems");
    app.candidate("ada@example.com").await;
    proxy.assert_failed();
    let calls = app.tally.take().calls;
    assert_eq!((calls["PutItem"], calls["TransactWriteItems"]), (1, 1), "nothing is retried");
    // Nor can it be told from the response about an item that does not exist, if its checksum is lost too.
    empty("GetItem");
    app.get(&format!("/api/v1/jobs/{job}")).await.error(404, "not_found");
    proxy.assert_failed();
}

#[tokio::test]
async fn a_page_of_the_settings_is_never_without_its_keys_because_a_response_is_damaged() {
    for (operation, path, changes) in [
        ("Query", "/settings/keys", [EMPTY, WITHOUT_ITEMS, EMPTY_OBJECT]),
        ("BatchGetItem", "/settings/keys", [EMPTY, WITHOUT_RESPONSES, EMPTY_OBJECT]),
        ("BatchGetItem", "/settings/keys/{id}/rotate", [EMPTY, WITHOUT_RESPONSES, EMPTY_OBJECT]),
        ("BatchGetItem", "/settings/usage", [EMPTY, WITHOUT_RESPONSES, EMPTY_OBJECT]),
        ("Query", "/settings/activity", [EMPTY, WITHOUT_ITEMS, EMPTY_OBJECT]),
        // The session.
        ("UpdateItem", "/settings/keys", [EMPTY, ANOTHER_PAGE, EMPTY_OBJECT]),
        ("GetItem", "/settings/keys", [EMPTY, ANOTHER_PAGE, CUT_AFTER_A_BRACE]),
    ] {
        let (mut test, proxy) = (TestSettings::new().await, Proxy::default());
        test.behind(&proxy).await;
        let mut browser = test.admin().await;
        let path = path.replace("{id}", id(&test.app.key));
        let whole = browser.get(&path).await.shown(200).to_owned();
        for change in changes {
            let fault = Fault { operation, table: "AccessTable", times: 1, change };
            proxy.fail(fault);
            assert_eq!(browser.get(&path).await.shown(200), whole, "{operation} {path}");
            proxy.assert_failed();
            proxy.fail(Fault { times: ALWAYS, ..fault });
            browser.get(&path).await.shown(503);
            proxy.assert_failed();
        }
    }
}

#[tokio::test]
async fn a_list_of_keys_is_never_shorter_because_a_response_is_damaged() {
    for (operation, changes) in
        [("Query", [EMPTY, WITHOUT_ITEMS, EMPTY_OBJECT]), ("BatchGetItem", [EMPTY, WITHOUT_RESPONSES, EMPTY_OBJECT])]
    {
        for change in changes {
            let (app, proxy) = app().await;
            let fault = Fault { operation, table: "AccessTable", times: 1, change };
            proxy.fail(fault);
            assert_eq!(shared::store::api_key::list(&app.db, &app.org, None).await.unwrap().0.len(), 1);
            proxy.assert_failed();
            proxy.fail(Fault { times: ALWAYS, ..fault });
            assert!(shared::store::api_key::list(&app.db, &app.org, None).await.is_err());
            proxy.assert_failed();
        }
    }
}

/// An error instead of a response that reports success.
fn failed(response: &[u8], body: &str) -> Vec<u8> {
    let changed = with_body(response, false, |_| body.as_bytes().to_vec());
    String::from_utf8(changed).unwrap().replacen("200 OK", "400 Bad Request", 1).into_bytes()
}

/// DynamoDB's own response to a call that it does not execute.
fn error(response: &[u8], code: &str) -> Vec<u8> {
    failed(
        response,
        &json!({ "__type": format!("com.amazonaws.dynamodb.v20120810#{code}"), "message": "no" }).to_string(),
    )
}

#[tokio::test]
async fn an_error_that_dynamodb_did_not_report_is_retried_and_a_503_if_it_stays() {
    const OF_A_PROXY: Change = |response| failed(response, r#"{"message":"Forbidden"}"#);
    const EMPTY_OBJECT: Change = |response| failed(response, "{}");
    // As it is when the rest is lost after an inner object.
    const CUT: Change = |response| {
        failed(
            response,
            r#"{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException","Item":{"pk":{"S":"a"}}"#,
        )
    };
    for (operation, table, method, path, body) in [
        ("GetItem", "RecordsTable", "GET", "/api/v1/jobs/{job}", None),
        ("Query", "RecordsTable", "GET", "/api/v1/jobs", None),
        ("UpdateItem", "AccessTable", "GET", "/api/v1/jobs", None),
        ("UpdateItem", "RecordsTable", "PUT", "/api/v1/jobs/{job}", Some("title")),
    ] {
        for change in [OF_A_PROXY, EMPTY_OBJECT, CUT] {
            let (app, proxy) = app().await;
            let path = path.replace("{job}", &app.job("open").await);
            for (times, status) in [(1, 200), (ALWAYS, 503)] {
                proxy.fail(Fault { operation, table, times, change });
                let body = body.map(|name| json!({ name: format!("Doctor {times}") }));
                assert_eq!(app.call(method, &path, Some(&app.key), body).await.status, status, "{operation}");
                proxy.assert_failed();
            }
        }
    }
}

#[tokio::test]
async fn an_error_of_dynamodb_keeps_its_meaning_whichever_attempt_it_answers() {
    const THROTTLED: Change = |response| error(response, "ThrottlingException");
    const REJECTED: Change = |response| error(response, "ValidationException");
    for (operation, path) in [("GetItem", "/api/v1/jobs/{job}"), ("Query", "/api/v1/jobs")] {
        let (app, proxy) = app().await;
        let path = path.replace("{job}", &app.job("open").await);
        let fault = |times, change| Fault { operation, table: "RecordsTable", times, change };
        for (faults, status, calls) in [
            (vec![fault(1, THROTTLED)], 200, 2),
            (vec![fault(ALWAYS, THROTTLED)], 503, 3),
            (vec![fault(1, REJECTED)], 500, 1),
            // After a response that is read here, one that the SDK reads.
            (vec![fault(1, EMPTY), fault(1, REJECTED)], 500, 2),
        ] {
            app.tally.take();
            proxy.fail_in_turn(faults);
            assert_eq!(app.get(&path).await.status, status, "{operation}");
            proxy.assert_failed();
            assert_eq!(app.tally.take().calls[operation], calls, "{operation}");
        }
    }
}

#[tokio::test]
async fn a_record_of_another_form_is_our_fault_and_not_retried() {
    let app = TestApp::new().await;
    let job = app.job("open").await;
    let update = app.client.update_item().table_name(Embedded::tables().records);
    let string = |text: String| aws_sdk_dynamodb::types::AttributeValue::S(text);
    let update = update.key("pk", string(format!("ORG#{}#JOB", app.org))).key("sk", string(job.clone()));
    let update = update.update_expression("SET #title = :title").expression_attribute_names("#title", "title");
    let number = aws_sdk_dynamodb::types::AttributeValue::N("1".to_owned());
    update.expression_attribute_values(":title", number).send().await.unwrap();
    for (operation, path) in [("GetItem", format!("/api/v1/jobs/{job}")), ("Query", "/api/v1/jobs".to_owned())] {
        let log = Log::listen();
        app.tally.take();
        app.get(&path).await.error(500, "internal_error");
        assert_eq!(app.tally.take().calls[operation], 1);
        assert!(log.text().contains("an item can't be read or written: shared::store::job::Job"), "{}", log.text());
    }
}

#[tokio::test]
async fn a_call_names_neither_the_sdk_nor_its_version() {
    let (app, proxy) = app().await;
    app.get("/api/v1/jobs").await.ok(200);
    let sent = proxy.take_sent();
    assert_eq!(sent.len(), 2);
    for request in sent {
        let text = String::from_utf8_lossy(&request).to_ascii_lowercase();
        assert!(text.contains("x-amz-target") && !text.contains("user-agent"), "{text}");
    }
}

//! Who wrote an item is stored with it, for the history to come, and shown nowhere.

use aws_sdk_dynamodb::types::AttributeValue;
use local::database::Embedded;
use shared::model::key::ApiKey;

use crate::{
    every_route::{Objects, ROUTES},
    test_app::{TestApp, send},
};

#[tokio::test]
async fn every_write_leaves_the_key_and_the_request_on_the_item_that_it_writes() {
    let app = TestApp::new().await;
    let objects = Objects::of(&app).await;
    let key = ApiKey::parse(&app.key).unwrap().id().to_string();
    for row in ROUTES.iter().filter(|row| row.method != "GET") {
        for once in [None, Some(format!("{} {}", row.method, row.path))] {
            let (path, body) = if once.is_none() {
                (objects.earlier_path(row), objects.earlier_body(row))
            } else {
                (objects.path(row), objects.body(row))
            };
            let mut request = crate::test_app::request(row.method, &path, Some(&app.key), body);
            if let Some(once) = &once {
                request.headers_mut().insert("idempotency-key", once.parse().unwrap());
            }
            app.clock.advance(app.step_millis);
            let answer = send(&app.gateway, request).await;
            if once.is_none() && answer.status == 422 {
                // Applies nobody.
                continue;
            }
            answer.ok(row.status);
            let id = answer.header("x-request-id").unwrap();
            assert!(!answer.body.to_string().contains(id), "{} {path}", row.method);
            #[expect(clippy::disallowed_methods, reason = "a search for whatever the request has written")]
            let scan = app.client.scan().table_name(Embedded::tables().records).consistent_read(true);
            let scan = scan.filter_expression("requestId = :id");
            let scan = scan.expression_attribute_values(":id", AttributeValue::S(id.to_owned()));
            let mut pages = scan.into_paginator().items().send();
            let mut written = Vec::new();
            while let Some(item) = pages.next().await {
                written.push(item.unwrap());
            }
            assert!(!written.is_empty(), "{} {path}", row.method);
            assert!(written.iter().all(|item| item["by"].as_s().unwrap() == &key));
        }
    }
}

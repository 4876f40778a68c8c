//! `/api/v1/pipeline`.

use futures::future::join_all;
use serde_json::{Value, json};
use shared::model::{plan::Plan, scope::Scope};

use crate::test_app::TestApp;

#[tokio::test]
async fn a_new_organization_has_six_stages_in_pipeline_order() {
    let app = TestApp::new().await;
    let answer = app.get("/api/v1/pipeline/stages").await;
    let stages: Vec<_> =
        answer.rows().iter().map(|stage| (stage["name"].as_str().unwrap(), stage["kind"].as_str().unwrap())).collect();
    assert_eq!(
        stages,
        [
            ("Applied", "applied"),
            ("Screening", "screening"),
            ("Interview", "interview"),
            ("Offer", "offer"),
            ("Hired", "hired"),
            ("Rejected", "rejected"),
        ]
    );
    let positions: Vec<_> = answer.rows().iter().map(|stage| stage["position"].as_u64().unwrap()).collect();
    assert_eq!(positions, [1, 2, 3, 4, 5, 6]);
    let fields: Vec<_> = answer.rows()[0].as_object().unwrap().keys().cloned().collect();
    assert_eq!(fields, ["id", "name", "kind", "position", "createdAt"]);
    assert_eq!(answer.body["pagination"], json!({ "hasMore": false, "nextCursor": null, "limit": 20 }));
}

#[tokio::test]
async fn a_move_returns_the_previous_stage_and_counts_as_a_change_to_the_candidate() {
    let app = TestApp::new().await;
    let stages = app.stages().await;
    let id = app.candidate("ada@example.com").await;
    let answer = app.put(&format!("/api/v1/pipeline/candidates/{id}/move"), json!({ "stageId": stages[2] })).await;
    let now = app.clock.now().to_string();
    assert_eq!(
        *answer.ok(200),
        json!({ "candidateId": id, "stageId": stages[2], "previousStageId": stages[0], "movedAt": now, "changed": true })
    );
    let candidate = app.get(&format!("/api/v1/candidates/{id}")).await.ok(200).clone();
    assert_eq!((&candidate["stageId"], &candidate["stageEnteredAt"]), (&json!(stages[2]), &json!(now)));
    assert_eq!((&candidate["updatedAt"], &candidate["version"]), (&json!(now), &json!(2)));
}

#[tokio::test]
async fn a_move_to_the_same_stage_changes_nothing() {
    let app = TestApp::new().await;
    let stages = app.stages().await;
    let id = app.candidate("ada@example.com").await;
    let before = app.get(&format!("/api/v1/candidates/{id}")).await;
    let answer = app.put(&format!("/api/v1/pipeline/candidates/{id}/move"), json!({ "stageId": stages[0] })).await;
    let moved = answer.ok(200);
    assert_eq!((&moved["changed"], &moved["previousStageId"]), (&json!(false), &json!(stages[0])));
    assert_eq!(moved["movedAt"], before.ok(200)["stageEnteredAt"]);
    assert_eq!(app.get(&format!("/api/v1/candidates/{id}")).await.ok(200), before.ok(200));
}

#[tokio::test]
async fn a_move_from_the_wrong_stage_is_409_with_the_current_one() {
    let app = TestApp::new().await;
    let stages = app.stages().await;
    let id = app.candidate("ada@example.com").await;
    let path = format!("/api/v1/pipeline/candidates/{id}/move");
    let answer = app.put(&path, json!({ "stageId": stages[2], "fromStageId": stages[1] })).await;
    assert_eq!(answer.error(409, "stage_conflict")["currentStageId"], stages[0]);
    // Also when they are already in the target stage: someone else moved them.
    let answer = app.put(&path, json!({ "stageId": stages[0], "fromStageId": stages[1] })).await;
    assert_eq!(answer.error(409, "stage_conflict")["currentStageId"], stages[0]);
    let answer = app.put(&path, json!({ "stageId": stages[2], "fromStageId": stages[0] })).await;
    assert_eq!(answer.ok(200)["changed"], true);
}

#[tokio::test]
async fn a_move_accepts_only_a_stage_of_the_organization() {
    let app = TestApp::new().await;
    let theirs = TestApp::new().await.stages().await;
    let id = app.candidate("ada@example.com").await;
    let path = format!("/api/v1/pipeline/candidates/{id}/move");
    assert_eq!(app.put(&path, json!({})).await.problems(), ["stageId: required"]);
    assert_eq!(app.put(&path, json!({ "stageId": theirs[1] })).await.problems(), ["stageId: not_found"]);
    assert_eq!(
        app.put(&path, json!({ "stageId": 1, "note": "x" })).await.problems(),
        ["stageId: invalid_type", "note: unknown"]
    );
}

#[tokio::test]
async fn a_conflict_names_the_current_stage_only_to_keys_that_may_read_the_pipeline() {
    let app = TestApp::new().await;
    let stages = app.stages().await;
    let id = app.candidate("ada@example.com").await;
    let path = format!("/api/v1/pipeline/candidates/{id}/move");
    let body = || Some(json!({ "stageId": stages[2], "fromStageId": stages[1] }));
    let writer = app.new_key(&[Scope::PipelineWrite, Scope::CandidatesRead]).await;
    let answer = app.call("PUT", &path, Some(writer.reveal()), body()).await;
    let error = answer.error(409, "stage_conflict");
    assert_eq!(error.get("currentStageId"), Some(&Value::Null));
    assert!(!answer.body.to_string().contains(&stages[0]));
    let both = app.new_key(&[Scope::PipelineWrite, Scope::PipelineRead]).await;
    let answer = app.call("PUT", &path, Some(both.reveal()), body()).await;
    assert_eq!(answer.error(409, "stage_conflict")["currentStageId"], stages[0]);
}

#[tokio::test]
async fn positions_have_only_names_and_stage_and_list_the_latest_arrival_first() {
    let app = TestApp::new().await;
    let stages = app.stages().await;
    let (ada, alan) = (app.candidate("ada@example.com").await, app.candidate("alan@example.com").await);
    for id in [&alan, &ada] {
        app.put(&format!("/api/v1/pipeline/candidates/{id}/move"), json!({ "stageId": stages[1] })).await.ok(200);
    }
    let answer = app.get(&format!("/api/v1/pipeline/stages/{}/candidates", stages[1])).await;
    let rows = answer.rows();
    let ids: Vec<_> = rows.iter().map(|row| row["candidateId"].as_str().unwrap()).collect();
    assert_eq!(ids, [ada.as_str(), alan.as_str()]);
    let fields: Vec<_> = rows[0].as_object().unwrap().keys().cloned().collect();
    assert_eq!(fields, ["candidateId", "firstName", "lastName", "stageId", "stageEnteredAt"]);
    assert!(app.get(&format!("/api/v1/pipeline/stages/{}/candidates", stages[0])).await.rows().is_empty());
}

#[tokio::test]
async fn a_candidates_new_name_appears_in_their_position() {
    let app = TestApp::new().await;
    let stages = app.stages().await;
    let id = app.candidate("ada@example.com").await;
    app.put(&format!("/api/v1/candidates/{id}"), json!({ "lastName": "Lovelace" })).await.ok(200);
    let answer = app.get(&format!("/api/v1/pipeline/stages/{}/candidates", stages[0])).await;
    assert_eq!(answer.rows()[0]["lastName"], "Lovelace");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_moves_leave_one_consistent_position() {
    let app = TestApp::frozen(Plan::Enterprise).await;
    let stages = app.stages().await;
    let id = app.candidate("ada@example.com").await;
    let path = format!("/api/v1/pipeline/candidates/{id}/move");
    let moves = (0..20).map(|i| app.put(&path, json!({ "stageId": stages[1 + i % 5] })));
    let answers = join_all(moves).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    let changes = answers.iter().filter(|answer| answer.body["data"]["changed"] == true).count();

    let candidate = app.get(&format!("/api/v1/candidates/{id}")).await.ok(200).clone();
    assert_eq!(candidate["version"], 1 + changes);
    let mut at = Vec::new();
    for stage in &stages {
        let positions = app.get(&format!("/api/v1/pipeline/stages/{stage}/candidates")).await;
        at.extend(positions.rows().iter().map(|row| row["stageId"].clone()));
    }
    assert_eq!(at, [candidate["stageId"].clone()]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_one_of_concurrent_moves_from_a_stage_succeeds() {
    let app = TestApp::frozen(Plan::Enterprise).await;
    let stages = app.stages().await;
    let id = app.candidate("ada@example.com").await;
    let path = format!("/api/v1/pipeline/candidates/{id}/move");
    let moves = (0..10).map(|i| app.put(&path, json!({ "stageId": stages[1 + i % 5], "fromStageId": stages[0] })));
    let answers = join_all(moves).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    assert_eq!(answers.iter().filter(|answer| answer.status == 409).count(), 9);
}

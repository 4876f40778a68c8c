//! `/api/v1/jobs/{jobId}/applications`.

use futures::future::join_all;
use serde_json::json;
use shared::model::plan::Plan;

use crate::test_app::{ORIGIN, TestApp};

#[tokio::test]
async fn a_new_application_has_every_field_with_its_default_and_its_location() {
    let app = TestApp::new().await;
    let (job, candidate) = (app.job("open").await, app.candidate("ada@example.com").await);
    let path = format!("/api/v1/jobs/{job}/applications");
    let answer = app.post(&path, json!({ "candidateId": candidate, "coverLetter": "" })).await;
    let application = answer.ok(201);
    let at = app.clock.now().to_string();
    assert_eq!(
        *application,
        json!({
            "id": application["id"], "jobId": job, "candidateId": candidate, "status": "new", "source": null,
            "coverLetter": "", "appliedAt": at, "updatedAt": at, "version": 1,
        })
    );
    assert_eq!(answer.header("location").unwrap(), format!("{ORIGIN}{path}/{}", application["id"].as_str().unwrap()));
    assert_eq!(app.get(&path).await.rows(), std::slice::from_ref(application));
}

#[tokio::test]
async fn only_an_open_job_accepts_applications() {
    let app = TestApp::new().await;
    let candidate = app.candidate("ada@example.com").await;
    for status in ["draft", "on-hold", "closed", "archived"] {
        let job = app.job(status).await;
        let answer = app.post(&format!("/api/v1/jobs/{job}/applications"), json!({ "candidateId": candidate })).await;
        answer.error(409, "job_not_open");
        assert!(app.get(&format!("/api/v1/jobs/{job}/applications")).await.rows().is_empty());
    }
}

#[tokio::test]
async fn a_candidate_can_apply_to_a_job_only_once() {
    let app = TestApp::new().await;
    let (job, other) = (app.job("open").await, app.job("open").await);
    let candidate = app.candidate("ada@example.com").await;
    let first = app.application(&job, &candidate).await;
    let path = format!("/api/v1/jobs/{job}/applications");
    let again = app.post(&path, json!({ "candidateId": candidate })).await;
    assert_eq!(again.error(409, "already_applied")["existingId"], first);
    app.application(&other, &candidate).await;
    // A retry should get this error even if the job has been closed since.
    app.put(&format!("/api/v1/jobs/{job}"), json!({ "status": "closed" })).await.ok(200);
    app.post(&path, json!({ "candidateId": candidate })).await.error(409, "already_applied");
}

#[tokio::test]
async fn only_the_organizations_own_candidate_can_apply() {
    let app = TestApp::new().await;
    let job = app.job("open").await;
    let theirs = TestApp::new().await.candidate("ada@example.com").await;
    let path = format!("/api/v1/jobs/{job}/applications");
    assert_eq!(app.post(&path, json!({ "candidateId": theirs })).await.problems(), ["candidateId: not_found"]);
    let answer =
        app.post(&path, json!({ "candidateId": "x", "status": "hired", "coverLetter": "x".repeat(20_001) })).await;
    assert_eq!(answer.problems(), ["candidateId: invalid_format", "coverLetter: too_long", "status: read_only"]);
    assert!(app.get(&path).await.rows().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_one_of_sixteen_parallel_applications_succeeds() {
    let app = TestApp::frozen(Plan::Enterprise).await;
    let (job, candidate) = (app.job("open").await, app.candidate("ada@example.com").await);
    let path = format!("/api/v1/jobs/{job}/applications");
    let answers = join_all((0..16).map(|_| app.post(&path, json!({ "candidateId": candidate })))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    assert!(answers.iter().filter(|answer| answer.status != 201).all(|answer| answer.status == 409));
    assert_eq!(app.get(&path).await.rows().len(), 1);
}

#[tokio::test]
async fn a_change_of_status_moves_the_application_between_filters() {
    let app = TestApp::new().await;
    let (job, candidate) = (app.job("open").await, app.candidate("ada@example.com").await);
    let id = app.application(&job, &candidate).await;
    let path = format!("/api/v1/jobs/{job}/applications");
    let updated = app.put(&format!("{path}/{id}"), json!({ "status": "in-review" })).await;
    assert_eq!((&updated.ok(200)["status"], &updated.ok(200)["version"]), (&json!("in-review"), &json!(2)));
    assert!(app.get(&format!("{path}?status=new")).await.rows().is_empty());
    assert_eq!(app.get(&format!("{path}?status=in-review")).await.ids(), std::slice::from_ref(&id));
    let same = app.put(&format!("{path}/{id}"), json!({ "status": "in-review" })).await;
    assert_eq!(same.ok(200), updated.ok(200));
    let wrong = app.put(&format!("{path}/{id}"), json!({ "status": "maybe", "source": "x" })).await;
    assert_eq!(wrong.problems(), ["status: invalid_value", "source: read_only"]);
}

#[tokio::test]
async fn an_application_is_found_only_under_its_own_job() {
    let app = TestApp::new().await;
    let (job, other) = (app.job("open").await, app.job("open").await);
    let candidate = app.candidate("ada@example.com").await;
    let id = app.application(&job, &candidate).await;
    let answer = app.put(&format!("/api/v1/jobs/{other}/applications/{id}"), json!({ "status": "hired" })).await;
    answer.error(404, "not_found");
}

//! `/api/v1/jobs/{jobId}/applications`.

use futures::future::join_all;
use serde_json::json;
use shared::model::plan::Plan;

use crate::world::{ORIGIN, World};

#[tokio::test]
async fn a_new_application_has_its_defaults_every_field_and_its_location() {
    let world = World::new().await;
    let (job, candidate) = (world.job("open").await, world.candidate("ada@example.com").await);
    let path = format!("/api/v1/jobs/{job}/applications");
    let answer = world.post(&path, json!({ "candidateId": candidate, "coverLetter": "" })).await;
    let application = answer.ok(201);
    let at = world.clock.now().to_string();
    assert_eq!(
        *application,
        json!({
            "id": application["id"], "jobId": job, "candidateId": candidate, "status": "new", "source": null,
            "coverLetter": "", "appliedAt": at, "updatedAt": at, "version": 1,
        })
    );
    assert_eq!(answer.header("location").unwrap(), format!("{ORIGIN}{path}/{}", application["id"].as_str().unwrap()));
    assert_eq!(world.get(&path).await.rows(), std::slice::from_ref(application));
}

#[tokio::test]
async fn only_an_open_job_takes_applications() {
    let world = World::new().await;
    let candidate = world.candidate("ada@example.com").await;
    for status in ["draft", "on-hold", "closed", "archived"] {
        let job = world.job(status).await;
        let answer = world.post(&format!("/api/v1/jobs/{job}/applications"), json!({ "candidateId": candidate })).await;
        answer.error(409, "job_not_open");
        assert!(world.get(&format!("/api/v1/jobs/{job}/applications")).await.rows().is_empty());
    }
}

#[tokio::test]
async fn a_candidate_applies_to_a_job_once() {
    let world = World::new().await;
    let (job, other) = (world.job("open").await, world.job("open").await);
    let candidate = world.candidate("ada@example.com").await;
    let first = world.application(&job, &candidate).await;
    let path = format!("/api/v1/jobs/{job}/applications");
    let again = world.post(&path, json!({ "candidateId": candidate })).await;
    assert_eq!(again.error(409, "already_applied")["existingId"], first);
    world.application(&other, &candidate).await;
    // That it is done already is what a retry should hear, also when the job is closed by now.
    world.put(&format!("/api/v1/jobs/{job}"), json!({ "status": "closed" })).await.ok(200);
    world.post(&path, json!({ "candidateId": candidate })).await.error(409, "already_applied");
}

#[tokio::test]
async fn only_the_organizations_own_candidate_can_apply() {
    let world = World::new().await;
    let job = world.job("open").await;
    let theirs = World::new().await.candidate("ada@example.com").await;
    let path = format!("/api/v1/jobs/{job}/applications");
    assert_eq!(world.post(&path, json!({ "candidateId": theirs })).await.problems(), ["candidateId: not_found"]);
    let answer =
        world.post(&path, json!({ "candidateId": "x", "status": "hired", "coverLetter": "x".repeat(20_001) })).await;
    assert_eq!(answer.problems(), ["candidateId: invalid_format", "coverLetter: too_long", "status: read_only"]);
    assert!(world.get(&path).await.rows().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_sixteen_parallel_applications_one_is_made() {
    let world = World::frozen(Plan::Enterprise).await;
    let (job, candidate) = (world.job("open").await, world.candidate("ada@example.com").await);
    let path = format!("/api/v1/jobs/{job}/applications");
    let answers = join_all((0..16).map(|_| world.post(&path, json!({ "candidateId": candidate })))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    assert!(answers.iter().filter(|answer| answer.status != 201).all(|answer| answer.status == 409));
    assert_eq!(world.get(&path).await.rows().len(), 1);
}

#[tokio::test]
async fn a_change_of_status_moves_the_application_between_filters() {
    let world = World::new().await;
    let (job, candidate) = (world.job("open").await, world.candidate("ada@example.com").await);
    let id = world.application(&job, &candidate).await;
    let path = format!("/api/v1/jobs/{job}/applications");
    let updated = world.put(&format!("{path}/{id}"), json!({ "status": "in-review" })).await;
    assert_eq!((&updated.ok(200)["status"], &updated.ok(200)["version"]), (&json!("in-review"), &json!(2)));
    assert!(world.get(&format!("{path}?status=new")).await.rows().is_empty());
    assert_eq!(world.get(&format!("{path}?status=in-review")).await.ids(), std::slice::from_ref(&id));
    let same = world.put(&format!("{path}/{id}"), json!({ "status": "in-review" })).await;
    assert_eq!(same.ok(200), updated.ok(200));
    let wrong = world.put(&format!("{path}/{id}"), json!({ "status": "maybe", "source": "x" })).await;
    assert_eq!(wrong.problems(), ["status: invalid_value", "source: read_only"]);
}

#[tokio::test]
async fn an_application_is_found_under_its_own_job_only() {
    let world = World::new().await;
    let (job, other) = (world.job("open").await, world.job("open").await);
    let candidate = world.candidate("ada@example.com").await;
    let id = world.application(&job, &candidate).await;
    let answer = world.put(&format!("/api/v1/jobs/{other}/applications/{id}"), json!({ "status": "hired" })).await;
    answer.error(404, "not_found");
}

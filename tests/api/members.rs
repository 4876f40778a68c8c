//! Members and organizations, as the operator manages them.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use local::database::Embedded;
use shared::{
    model::{
        id::OrgId,
        key::{AccountId, ApiKey},
        plan::Plan,
        role::Role,
        value::Email,
    },
    store::{
        activity::{self, Actor},
        error::DbError,
        member::{self, AddMemberError, Identity},
        organization::{self, PlanChange},
    },
};

use crate::test_app::{TestApp, short_text};

/// The id of an organization that does not exist: its item is gone.
async fn nobody() -> OrgId {
    let app = TestApp::new().await;
    let delete = app.client.delete_item().table_name(Embedded::tables().access);
    let delete = delete.key("pk", AttributeValue::S(format!("ORG#{}", app.org)));
    delete.key("sk", AttributeValue::S("ORG".to_owned())).send().await.unwrap();
    app.org
}

async fn add(app: &TestApp, org: &OrgId, email: &str, role: Role) -> Result<(), AddMemberError> {
    let email = Email::new(email).unwrap();
    member::add(&app.db, org, app.clock.now(), &email, role, &Actor::operator()).await
}

/// How many entries the activity log has.
async fn entries(app: &TestApp) -> usize {
    activity::page(&app.db, &app.org, None, 100, app.clock.now()).await.unwrap().0.len()
}

#[tokio::test]
async fn a_mailbox_is_one_organizations_member_and_only_of_one_that_exists() {
    let (app, other) = (TestApp::new().await, TestApp::new().await);
    let email = format!("Ada@{}.example", app.org);
    add(&app, &app.org, &email, Role::Admin).await.unwrap();
    for (org, way) in [(&app.org, &email), (&other.org, &email), (&app.org, &email.to_lowercase())] {
        assert!(matches!(add(&app, org, way, Role::Member).await, Err(AddMemberError::Taken)));
    }
    let new = format!("new@{}.example", app.org);
    let unknown = add(&app, &nobody().await, &new, Role::Member).await;
    assert!(matches!(unknown, Err(AddMemberError::UnknownOrganization)), "{unknown:?}");
    let (members, more) = member::list(&app.db, &app.org, None).await.unwrap();
    assert_eq!((members.len(), more, members[0].email.as_str(), members[0].role), (1, false, &*email, Role::Admin));
    assert!(member::list(&app.db, &other.org, None).await.unwrap().0.is_empty());
}

#[tokio::test]
async fn only_its_own_organization_changes_or_removes_a_member_and_no_change_is_not_logged() {
    let (app, other) = (TestApp::new().await, TestApp::new().await);
    let text = format!("ada@{}.example", app.org);
    let email = Email::new(&text).unwrap();
    add(&app, &app.org, &text, Role::Admin).await.unwrap();
    let (db, now, operator) = (&app.db, app.clock.now(), Actor::operator());
    let role = async || member::list(db, &app.org, None).await.unwrap().0.first().map(|member| member.role);
    assert!(!member::set_role(db, &other.org, now, &email, Role::Member, &operator).await.unwrap());
    assert!(!member::remove(db, &other.org, now, &email, &operator).await.unwrap());
    assert_eq!(role().await, Some(Role::Admin));

    let before = entries(&app).await;
    assert!(member::set_role(db, &app.org, now, &email, Role::Admin, &operator).await.unwrap());
    assert_eq!(entries(&app).await, before);
    assert!(member::set_role(db, &app.org, now, &email, Role::Member, &operator).await.unwrap());
    assert_eq!((role().await, entries(&app).await), (Some(Role::Member), before + 1));
    assert!(member::remove(db, &app.org, now, &email, &operator).await.unwrap());
    assert_eq!((role().await, entries(&app).await), (None, before + 2));
    assert!(!member::remove(db, &app.org, now, &email, &operator).await.unwrap());
    assert!(!member::set_role(db, &app.org, now, &email, Role::Admin, &operator).await.unwrap());
    assert_eq!(entries(&app).await, before + 2);
    // The mailbox is free again, also for another organization.
    add(&app, &other.org, &text, Role::Member).await.unwrap();
}

#[tokio::test]
async fn a_member_is_bound_to_the_identity_of_the_first_sign_in() {
    let app = TestApp::new().await;
    let text = format!("ada@{}.example", app.org);
    let email = Email::new(&text).unwrap();
    let sign_in = async |issuer, subject| {
        let identity = Identity { issuer, subject };
        member::sign_in(&app.db, &email, identity, app.clock.now()).await.unwrap()
    };
    assert!(sign_in("https://a.example", "1").await.is_none(), "nobody is a member yet");
    add(&app, &app.org, &text, Role::Member).await.unwrap();
    for _ in 0..2 {
        app.clock.advance(1_000);
        let member = sign_in("https://a.example", "1").await.unwrap();
        assert_eq!((member.org(), member.signed_in_at), (&app.org, Some(app.clock.now())));
    }
    for (issuer, subject) in [("https://a.example", "2"), ("https://b.example", "1"), ("https://b.example", "2")] {
        assert!(sign_in(issuer, subject).await.is_none(), "{issuer} {subject}");
    }
    assert!(sign_in("https://a.example", "1").await.is_some());
}

#[tokio::test]
async fn members_are_listed_by_email_a_hundred_at_a_time() {
    let app = TestApp::new().await;
    let emails: BTreeSet<String> = (0..101).map(|i| format!("m{i:03}@{}.example", app.org)).collect();
    for email in emails.iter().rev() {
        add(&app, &app.org, email, Role::Member).await.unwrap();
    }
    let (first, more) = member::list(&app.db, &app.org, None).await.unwrap();
    assert_eq!((first.len(), more), (100, true));
    let (rest, more) = member::list(&app.db, &app.org, first.last()).await.unwrap();
    assert_eq!((rest.len(), more), (1, false));
    let listed: Vec<&str> = first.iter().chain(&rest).map(|member| member.email.as_str()).collect();
    assert_eq!(listed, emails.iter().map(String::as_str).collect::<Vec<_>>());
}

#[tokio::test]
async fn organizations_are_listed_oldest_first_and_each_once_however_many_there_are() {
    let app = TestApp::new().await;
    let mut own = vec![app.org];
    for _ in 0..101 {
        app.clock.advance(1);
        let (account, clock) = (AccountId::generate().unwrap(), app.clock.clock());
        let name = short_text("One of many");
        own.push(organization::create(&app.db, &name, Plan::Free, &account, || clock.stamp()).await.unwrap());
    }
    // Other tests have organizations of their own.
    let (mut listed, mut last) = (Vec::new(), None);
    loop {
        let (page, more) = organization::list(&app.db, last.as_ref(), app.clock.now()).await.unwrap();
        assert!(page.len() <= 100);
        listed.extend(page.iter().map(|organization| organization.id));
        last = listed.last().copied();
        if !more {
            break;
        }
    }
    assert!(listed.is_sorted() && listed.iter().collect::<BTreeSet<_>>().len() == listed.len());
    let found: Vec<OrgId> = listed.into_iter().filter(|id| own.contains(id)).collect();
    own.sort_unstable();
    assert_eq!(found, own);
}

#[tokio::test]
async fn an_account_belongs_to_one_organization() {
    let app = TestApp::new().await;
    let (taken, clock) = (ApiKey::parse(&app.key).unwrap().id().account(), app.clock.clock());
    let second = organization::create(&app.db, &short_text("Second"), Plan::Free, &taken, || clock.stamp()).await;
    assert!(matches!(second, Err(DbError::Rejected(_))), "{second:?}");
    app.get("/api/v1/jobs").await.ok(200);
}

#[tokio::test]
async fn an_organization_is_found_by_its_id_and_by_the_stamp_that_created_it() {
    let app = TestApp::new().await;
    let (db, now) = (&app.db, app.clock.now());
    assert_eq!(organization::find(db, &app.org.to_string(), now).await.unwrap().unwrap().id, app.org);
    for unknown in [nobody().await.to_string(), "x".to_owned(), String::new()] {
        assert!(organization::find(db, &unknown, now).await.unwrap().is_none(), "{unknown}");
    }
    let (stamp, account) = (app.clock.clock().stamp(), AccountId::generate().unwrap());
    assert_eq!(organization::created_with(db, stamp).await.unwrap(), None);
    let clock = app.clock.clock();
    let mut stamps = std::iter::once(stamp).chain(std::iter::repeat_with(|| clock.stamp()));
    let name = short_text("Demo");
    let org = organization::create(db, &name, Plan::Free, &account, || stamps.next().unwrap()).await.unwrap();
    assert_eq!(organization::created_with(db, stamp).await.unwrap(), Some(org));
}

#[tokio::test]
async fn a_plan_that_is_kept_is_not_logged_and_an_unknown_organization_has_none() {
    let app = TestApp::new().await;
    let (db, now, operator) = (&app.db, app.clock.now(), Actor::operator());
    let before = entries(&app).await;
    let set = async |org: &OrgId, plan| organization::set_plan(db, org, now, plan, &operator).await.unwrap();
    assert_eq!(set(&app.org, Plan::Enterprise).await, PlanChange::Done);
    assert_eq!(entries(&app).await, before);
    assert_eq!(set(&nobody().await, Plan::Starter).await, PlanChange::Unknown);
    // One key is as many as Starter allows.
    assert_eq!(set(&app.org, Plan::Starter).await, PlanChange::Done);
    assert_eq!(set(&app.org, Plan::Professional).await, PlanChange::Done);
    assert_eq!(entries(&app).await, before + 2);
    let second = app.new_key(shared::model::scope::Scope::ALL).await;
    app.call("GET", "/api/v1/jobs", Some(second.reveal()), None).await.ok(200);
    // The key that was used last stays.
    let first = ApiKey::parse(&app.key).unwrap().id();
    assert_eq!(set(&app.org, Plan::Starter).await, PlanChange::TooManyKeys(vec![first]));
}

//! Which email belongs to which member.

use serde_json::{Value, json};
use shared::{
    model::{role::Role, value::Email},
    store::{activity::Actor, member},
};

use super::rejected;
use crate::test_settings::{Page, TestSettings};

#[tokio::test]
async fn a_stranger_and_the_new_owner_of_a_members_address_are_rejected() {
    let test = TestSettings::new().await;
    let mut stranger = test.browser();
    let page = stranger.sign_in(2).await;
    rejected(&page, 403, &stranger);
    test.admin().await;
    test.issuer.forges(|issuer, mut claims| {
        claims["sub"] = "somebody-else".into();
        issuer.sign(&claims).unwrap()
    });
    let mut heir = test.browser();
    let other = heir.sign_in(0).await;
    rejected(&other, 403, &heir);
    let body = |page: &Page| page.shown(403).to_owned();
    assert_eq!(body(&page), body(&other), "both see the same page");
}

#[tokio::test]
async fn an_email_is_the_same_in_any_case() {
    let test = TestSettings::new().await;
    test.issuer.forges(|issuer, mut claims| {
        claims["email"] = claims["email"].as_str().unwrap().to_uppercase().into();
        issuer.sign(&claims).unwrap()
    });
    test.admin().await;
}

#[test]
fn an_email_is_verified_only_by_issuers_that_can_know() {
    use settings::vendor::is_email_verified;
    let tenant = "https://login.microsoftonline.com/9122040d-6c67-4c5b-b112-36a304b66dad/v2.0";
    let external = "https://contoso.ciamlogin.com/9122040d-6c67-4c5b-b112-36a304b66dad/v2.0";
    for yes in [json!(true), json!(1), json!("1"), json!("true"), json!("True")] {
        assert!(is_email_verified(tenant, None, Some(&yes)) && is_email_verified(external, None, Some(&yes)), "{yes}");
        // The standard claim comes first, and no other issuer is believed.
        assert!(!is_email_verified(tenant, Some(false), Some(&yes)));
        for other in [
            "https://issuer.example",
            "http://login.microsoftonline.com/x/v2.0",
            "https://login.microsoftonline.com.evil.example/x/v2.0",
            "https://login.microsoftonline.com:8443/x/v2.0",
            "https://evil.example/login.microsoftonline.com",
            "https://ciamlogin.com.evil.example/",
        ] {
            assert!(!is_email_verified(other, None, Some(&yes)), "{other}");
        }
    }
    for no in
        [json!(false), json!(0), json!(2), json!("0"), json!(""), json!("yes"), Value::Null, json!([true]), json!({})]
    {
        assert!(!is_email_verified(tenant, None, Some(&no)), "{no}");
    }
    assert!(!is_email_verified(tenant, None, None));
    assert!(is_email_verified("https://issuer.example", Some(true), None));
}

#[tokio::test]
async fn a_lookalike_letter_in_an_email_does_not_match_a_member() {
    let test = TestSettings::new().await;
    let (db, org, now) = (&test.app.db, &test.app.org, test.app.clock.now());
    let kate = Email::new(&format!("kate@{org}.example")).unwrap();
    member::add(db, org, now, &kate, Role::Admin, &Actor::operator()).await.unwrap();
    let kelvin = kate.as_str().replacen('k', "\u{212a}", 1);
    assert!(Email::of_member(&kelvin).is_err());
    test.issuer.forges(move |issuer, mut claims| {
        claims["email"] = kelvin.clone().into();
        issuer.sign(&claims).unwrap()
    });
    let mut browser = test.browser();
    let page = browser.sign_in(0).await;
    rejected(&page, 403, &browser);
}

#[tokio::test]
async fn a_member_can_sign_in_however_the_issuer_writes_the_mailbox() {
    let test = TestSettings::new().await;
    let (db, org, now) = (&test.app.db, &test.app.org, test.app.clock.now());
    let jose = Email::of_member(&format!("jos\u{e9}@bücher.{org}.example")).unwrap();
    member::add(db, org, now, &jose, Role::Admin, &Actor::operator()).await.unwrap();
    for way in [format!("JOSE\u{301}@bücher.{org}.example"), format!("jos\u{e9}@xn--bcher-kva.{org}.example")] {
        test.issuer.forges(move |issuer, mut claims| {
            claims["email"] = way.clone().into();
            issuer.sign(&claims).unwrap()
        });
        let mut browser = test.browser();
        assert_eq!(browser.sign_in(0).await.status, 303);
        browser.get("/settings/plan").await.shown(200);
    }
}

//! The erasures of candidates: which there are, finishing those that are pending, and repeating them after a restore.

use std::collections::HashMap;

use aws_sdk_dynamodb::{
    Client,
    config::BehaviorVersion,
    types::{AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType},
};
use local::database::Embedded;
use serde_json::{Value, json};
use shared::{
    model::{
        body,
        clock::Clock,
        id::{CandidateId, OrgId},
        write::Write,
    },
    store::{
        activity::{self, Actor},
        application, candidate,
        db::Db,
        erasure, job, organization,
    },
};

use crate::{Operator, texts};

type Item = HashMap<String, AttributeValue>;

/// The tables behind an operator, and an organization in them.
struct Tables {
    db: Db,
    client: Client,
    clock: Clock,
    org: OrgId,
}

/// A candidate with an application, as they were before they were erased.
struct Person {
    id: CandidateId,
    /// What a backup brings back: the candidate, the email marker and the application.
    items: Vec<Item>,
}

#[expect(clippy::needless_pass_by_value, reason = "ids are `Copy`, and a reference is fine too")]
fn text(text: impl ToString) -> AttributeValue {
    AttributeValue::S(text.to_string())
}

fn key(pk: &str, sk: impl ToString) -> Item {
    HashMap::from([("pk".to_owned(), text(pk)), ("sk".to_owned(), text(sk))])
}

impl Tables {
    async fn of(operator: &Operator, org: &str) -> Self {
        let config = || local::database::config(&operator.endpoint);
        let db = Db::embedded(config(), Embedded::tables());
        let client = Client::from_conf(config().behavior_version(BehaviorVersion::latest()).build());
        let clock = Clock::system();
        let org = organization::find(&db, org, clock.now()).await.unwrap().unwrap().id;
        Self { db, client, clock, org }
    }

    fn write(&self) -> Write {
        Write::new(self.org, self.clock.stamp())
    }

    fn partition(&self, suffix: &str) -> String {
        format!("ORG#{}#{suffix}", self.org)
    }

    async fn item(&self, table: &str, key: Item) -> Option<Item> {
        self.client.get_item().table_name(table).set_key(Some(key)).send().await.unwrap().item
    }

    async fn put(&self, table: &str, item: Item) {
        self.client.put_item().table_name(table).set_item(Some(item)).send().await.unwrap();
    }

    async fn delete(&self, table: &str, key: Item) {
        self.client.delete_item().table_name(table).set_key(Some(key)).send().await.unwrap();
    }

    /// A candidate who has applied to a job, and is erased.
    async fn erased(&self, email: &str) -> Person {
        let new = body::parse(&json!({ "firstName": "Ada", "lastName": "Lovelace", "email": email })).unwrap();
        let stage = candidate::stage_of(&self.db, &self.org, &new).await.unwrap();
        let id = candidate::create(&self.db, &self.write(), new, &stage).await.unwrap().object.id();
        let job = body::parse(&json!({ "title": "Nurse", "status": "open" })).unwrap();
        let job = job::create(&self.db, &self.write(), job).await.unwrap().object.id();
        let new = body::parse(&json!({ "candidateId": id, "coverLetter": "I am Ada." })).unwrap();
        let application = application::create(&self.db, &self.write(), job, new).await.unwrap().unwrap().object.id();
        let keys = [
            key(&self.partition("CANDIDATE"), id),
            key(&self.partition(&format!("EMAIL#{email}")), "EMAIL"),
            key(&self.partition("APPLICATION"), application),
        ];
        let mut items = Vec::new();
        for key in keys {
            items.push(self.item("RecordsTable", key).await.unwrap());
        }
        let departed = erasure::read(&self.db, &self.org, id).await.unwrap();
        erasure::erase(&self.db, &self.write(), &Actor::operator(), departed).await.unwrap().unwrap();
        let person = Person { id, items };
        assert!(self.has_nothing_of(&person).await);
        person
    }

    /// Does to a person's items what restoring the Records table from an earlier backup does.
    async fn restore(&self, person: &Person) {
        for item in &person.items {
            self.put("RecordsTable", item.clone()).await;
        }
        self.delete("RecordsTable", key(&self.partition("TOMBSTONE"), person.id)).await;
        assert!(!self.has_nothing_of(person).await);
    }

    /// Makes an erasure one whose second half is missing.
    async fn interrupt(&self, person: &Person) {
        self.put("RecordsTable", person.items[2].clone()).await;
        let mut tombstone = self.item("RecordsTable", key(&self.partition("TOMBSTONE"), person.id)).await.unwrap();
        tombstone.remove("applicationsCleared");
        tombstone.insert("pending".to_owned(), AttributeValue::Bool(true));
        self.put("RecordsTable", tombstone).await;
        let mut pending = self.item("AccessTable", key(&self.partition("ERASURE"), person.id)).await.unwrap();
        pending.extend(key("ERASURES", format!("{}#{}", self.org, person.id)));
        self.put("AccessTable", pending).await;
    }

    /// Whether the tables say nothing about who the person was, and that they were erased.
    async fn has_nothing_of(&self, person: &Person) -> bool {
        let mut left = Vec::new();
        for item in &person.items {
            let key = HashMap::from(["pk", "sk"].map(|name| (name.to_owned(), item[name].clone())));
            left.push(self.item("RecordsTable", key).await);
        }
        let tombstone = self.item("RecordsTable", key(&self.partition("TOMBSTONE"), person.id)).await;
        let is_whole = tombstone.is_some_and(|tombstone| {
            !tombstone.contains_key("pending") && tombstone["applicationsCleared"] == AttributeValue::N("1".to_owned())
        });
        let application = left[2].as_ref().unwrap();
        is_whole && left[0].is_none() && left[1].is_none() && !application.contains_key("coverLetter")
    }
}

/// What a row says about the outcome.
fn outcomes(rows: &[Value]) -> Vec<&str> {
    rows.iter().map(|row| row["outcome"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn an_organizations_erasures_and_all_pending_ones_are_listed() {
    let operator = Operator::new();
    let (org, other) = (operator.organization("free"), operator.organization("free"));
    let (tables, others) = (Tables::of(&operator, &org).await, Tables::of(&operator, &other).await);
    let (ada, bob) = (tables.erased("ada@example.com").await, others.erased("bob@example.com").await);
    let listed = operator.json(&["erasure", "list", &org]);
    assert_eq!(listed.len(), 1);
    assert_eq!((&listed[0]["organization"], &listed[0]["candidateId"]), (&json!(org), &json!(ada.id)));
    assert!(listed[0]["erasedAt"].is_string(), "{listed:?}");
    let table = operator.text(&["erasure", "list", &org]);
    assert!(table.starts_with("Organization ") && table.contains(&ada.id.to_string()), "{table}");
    assert!(!table.contains("Ada") && !table.contains("example.com"), "{table}");

    assert_eq!(operator.text(&["erasure", "list", "--pending"]), "");
    others.interrupt(&bob).await;
    let pending = operator.json(&["erasure", "list", "--pending"]);
    assert_eq!(pending.len(), 1);
    assert_eq!((&pending[0]["organization"], &pending[0]["candidateId"]), (&json!(other), &json!(bob.id)));

    // Either an organization or the pending ones.
    for words in [vec!["erasure", "list"], vec!["erasure", "list", &org, "--pending"]] {
        assert_eq!(operator.command(&words).output().unwrap().status.code(), Some(2));
    }
    let missing = "01900000-0000-7000-8000-000000000000";
    assert_eq!(operator.failure(&["erasure", "list", missing]), format!("Organization not found: {missing}."));
}

#[tokio::test]
async fn both_lists_show_every_page() {
    let operator = Operator::new();
    let org = operator.organization("free");
    let tables = Tables::of(&operator, &org).await;
    for _ in 0..130 {
        let stamp = tables.clock.stamp();
        let id = CandidateId::from(stamp);
        for mut item in [key(&tables.partition("ERASURE"), id), key("ERASURES", format!("{org}#{id}"))] {
            item.insert("erasedAt".to_owned(), text(stamp.now()));
            tables.put("AccessTable", item).await;
        }
    }
    assert_eq!(operator.json(&["erasure", "list", &org]).len(), 130);
    assert_eq!(operator.json(&["erasure", "list", "--pending"]).len(), 130);
    // Nothing is left of any of them, so none stays pending.
    assert_eq!(outcomes(&operator.json(&["erasure", "resume"])), ["already gone"; 130]);
    assert_eq!(operator.text(&["erasure", "list", "--pending"]), "");
}

#[tokio::test]
async fn resume_finishes_every_pending_erasure_and_fails_in_the_end_if_one_could_not_be_finished() {
    let operator = Operator::new();
    let org = operator.organization("free");
    let tables = Tables::of(&operator, &org).await;
    let (ada, bob) = (tables.erased("ada@example.com").await, tables.erased("bob@example.com").await);
    for person in [&ada, &bob] {
        tables.interrupt(person).await;
        assert!(!tables.has_nothing_of(person).await);
    }
    let tombstone = key(&tables.partition("TOMBSTONE"), ada.id);
    let whole = tables.item("RecordsTable", tombstone.clone()).await.unwrap();
    tables.put("RecordsTable", tombstone).await;

    let output = operator.command(&["erasure", "resume", "--json"]).output().unwrap();
    let (printed, error) = texts(&output);
    let rows: Vec<Value> = printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(outcomes(&rows).len(), 2);
    assert!(outcomes(&rows)[0].starts_with("failed: an item can't be read or written: "), "{rows:?}");
    assert_eq!(outcomes(&rows)[1], "finished");
    assert_eq!((&rows[1]["candidateId"], &rows[1]["applicationsCleared"]), (&json!(bob.id), &json!(1)));
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(error, "1 erasure could not be finished. Run the command again.\n");
    assert!(tables.has_nothing_of(&bob).await);

    tables.put("RecordsTable", whole).await;
    let table = operator.text(&["erasure", "resume"]);
    assert!(table.starts_with("Organization ") && table.contains(&ada.id.to_string()), "{table}");
    assert!(table.ends_with("  1             finished\n") && table.lines().count() == 2, "{table}");
    assert!(tables.has_nothing_of(&ada).await);
    assert_eq!(operator.text(&["erasure", "resume"]), "");
}

#[tokio::test]
async fn a_pending_erasure_that_cannot_be_read_keeps_no_other_from_being_finished() {
    let operator = Operator::new();
    let org = operator.organization("free");
    let tables = Tables::of(&operator, &org).await;
    let ada = tables.erased("ada@example.com").await;
    tables.interrupt(&ada).await;
    // It sorts before every organization.
    tables.put("AccessTable", key("ERASURES", "!")).await;
    let output = operator.command(&["erasure", "resume"]).output().unwrap();
    let (printed, message) = texts(&output);
    assert_eq!(output.status.code(), Some(1));
    assert!(printed.ends_with(" finished\n") && tables.has_nothing_of(&ada).await, "{printed}");
    assert!(message.contains("an item can't be read or written: a pending erasure"), "{message}");
    // Nor is it left out of the list in silence.
    assert_eq!(operator.failure(&["erasure", "list", "--pending"]), message.trim_end());
}

#[tokio::test]
async fn after_a_restore_of_the_records_replay_erases_again_whoever_had_been_erased() {
    let operator = Operator::new();
    let (org, other) = (operator.organization("free"), operator.organization("free"));
    let (tables, others) = (Tables::of(&operator, &org).await, Tables::of(&operator, &other).await);
    let restored = [tables.erased("ada@example.com").await, tables.erased("bob@example.com").await];
    let kept = others.erased("cleo@example.com").await;
    let unknown = tables.erased("dan@example.com").await;
    for person in &restored {
        tables.restore(person).await;
    }
    // Created and erased after the backup.
    tables.delete("RecordsTable", key(&tables.partition("TOMBSTONE"), unknown.id)).await;

    let rows = operator.json(&["erasure", "replay"]);
    let mut found: Vec<_> =
        rows.iter().map(|row| (row["candidateId"].as_str().unwrap(), row["outcome"].as_str().unwrap())).collect();
    found.sort_unstable();
    let [ada, bob, cleo, dan] = [&restored[0], &restored[1], &kept, &unknown].map(|person| person.id.to_string());
    let mut wanted = [(&*ada, "erased again"), (&bob, "erased again"), (&cleo, "already gone"), (&dan, "already gone")];
    wanted.sort_unstable();
    assert_eq!(found, wanted);
    for person in &restored {
        assert!(tables.has_nothing_of(person).await);
    }
    assert!(others.has_nothing_of(&kept).await);
    assert_eq!(operator.text(&["erasure", "list", "--pending"]), "");
    // The activity log says who did it.
    let entries = activity::page(&tables.db, &tables.org, None, 50, tables.clock.now()).await.unwrap().0;
    assert_eq!(entries.len(), 5);
    assert!(entries.iter().all(|entry| entry.actor.name() == "operator"));
    // Again, with nothing left to do.
    assert_eq!(outcomes(&operator.json(&["erasure", "replay"])), ["already gone"; 4]);
    assert_eq!(operator.json(&["erasure", "list", &org]).len(), 3);
}

#[tokio::test]
async fn after_a_restore_of_both_tables_replay_takes_the_erasures_from_the_access_table_before() {
    let operator = Operator::new();
    let org = operator.organization("free");
    let tables = Tables::of(&operator, &org).await;
    let ada = tables.erased("ada@example.com").await;
    tables.restore(&ada).await;
    let names = [("pk", KeyType::Hash), ("sk", KeyType::Range)];
    let definition = |name: &str| {
        AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S).build().unwrap()
    };
    let table = tables.client.create_table().table_name("AccessRestored").billing_mode(BillingMode::PayPerRequest);
    let table = table.set_attribute_definitions(Some(names.clone().map(|(name, _)| definition(name)).to_vec()));
    let keys =
        names.map(|(name, kind)| KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap());
    table.set_key_schema(Some(keys.to_vec())).send().await.unwrap();

    let restored = ["--access-table", "AccessRestored"];
    assert_eq!(operator.text(&[&["erasure", "replay"][..], &restored].concat()), "", "it knows of no erasure");
    let rows = operator.json(&[&["erasure", "replay", "--from", "AccessTable"][..], &restored].concat());
    assert_eq!(outcomes(&rows), ["erased again"]);
    assert!(tables.has_nothing_of(&ada).await);
    let copy = tables.item("AccessRestored", key(&tables.partition("ERASURE"), ada.id)).await.unwrap();
    assert_eq!(copy["erasedAt"], text(rows[0]["erasedAt"].as_str().unwrap()));
}

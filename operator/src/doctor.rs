//! `operator doctor`: checks what a deployment needs and no alarm watches: that the tables match the template, can be restored and expire
//! their items, that someone receives the alarms, and that the OpenID issuer is reachable.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    types::{
        BillingMode, ContinuousBackupsStatus, IndexStatus, KeySchemaElement, PointInTimeRecoveryDescription,
        PointInTimeRecoveryStatus, ProjectionType, SseStatus, TableDescription, TableStatus, TimeToLiveStatus,
    },
};
use clap::Args;
use openidconnect::{IssuerUrl, core::CoreProviderMetadata, reqwest};
use serde::Serialize;
use serde_json::{Value, json};
use shared::store::db::Tables;

use crate::{
    error::CommandError,
    output::{Output, Row},
};

/// What the tables must match: the stack creates them from this template.
const TEMPLATE: &str = include_str!("../../template.yaml");
/// The settings wait no longer than this for an issuer.
const ISSUER_TIMEOUT: Duration = Duration::from_secs(2);

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Also check that the tables have deletion protection, as in prod.
    #[arg(long)]
    protected: bool,
    /// Check that this SNS topic has a confirmed subscription.
    #[arg(long, value_name = "ARN")]
    alarm_topic: Option<String>,
    /// Check that this OpenID issuer is reachable and identifies itself by this URL.
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
}

/// What was checked, and the result.
#[derive(Debug, Serialize)]
struct Finding {
    /// Such as `AccessTable: point-in-time recovery`.
    check: String,
    ok: bool,
    found: String,
}

impl Row for Finding {
    const COLUMNS: &'static [(&'static str, usize)] = &[("", 4), ("Check", 44), ("Found", 0)];

    fn cells(&self) -> Vec<String> {
        vec![if self.ok { "ok" } else { "FAIL" }.to_owned(), self.check.clone(), self.found.clone()]
    }
}

/// The result of a check, good or bad, in a few words.
type Found = Result<String, String>;

impl Doctor {
    /// Runs every check, prints each result, and fails if any check failed.
    pub(crate) async fn run(
        self,
        config: &SdkConfig,
        tables: &Tables,
        output: &mut Output,
    ) -> Result<(), CommandError> {
        let mut findings = Vec::new();
        let dynamodb = Client::new(config);
        for (logical_id, name) in [("AccessTable", &tables.access), ("RecordsTable", &tables.records)] {
            for (what, found) in self.table(&dynamodb, logical_id, name).await {
                findings.push((format!("{logical_id}: {what}"), found));
            }
        }
        if let Some(arn) = &self.alarm_topic {
            findings.push(("Alarm topic: subscription".to_owned(), subscribed(config, arn).await));
        }
        if let Some(url) = &self.issuer {
            findings.push(("OpenID issuer".to_owned(), reachable(url).await));
        }
        let mut failed = 0;
        for (check, found) in findings {
            let ok = found.is_ok();
            failed += usize::from(!ok);
            output.row(&Finding { check, ok, found: found.unwrap_or_else(|bad| bad) })?;
        }
        if failed == 0 { Ok(()) } else { Err(CommandError::Unhealthy(failed)) }
    }

    async fn table(&self, client: &Client, logical_id: &str, name: &str) -> Vec<(&'static str, Found)> {
        let wanted = template_table(logical_id);
        let described = client.describe_table().table_name(name).send().await;
        let table = match described.map_err(|error| reason(&error)) {
            Ok(response) => response.table.unwrap_or_else(|| TableDescription::builder().build()),
            Err(why) => return vec![("exists", Err(format!("{name}: {why}")))],
        };
        let mut found = vec![
            ("exists", there(&table, name)),
            ("keys", same(&keys(table.key_schema()), &wanted["KeySchema"])),
            ("indexes", indexes(&table, &wanted)),
            ("billing", billing(&table)),
            ("encryption", encryption(&table)),
            ("time to live", time_to_live(client, name, &wanted).await),
            ("point-in-time recovery", recovery(client, name).await),
        ];
        if self.protected {
            let protected = table.deletion_protection_enabled() == Some(true);
            found.push(("deletion protection", either(protected, "on", "off")));
        }
        found
    }
}

/// The properties of a table in the template.
fn template_table(logical_id: &str) -> Value {
    let template: Value = serde_saphyr::from_str(TEMPLATE).unwrap_or_default();
    template["Resources"][logical_id]["Properties"].clone()
}

fn either(good: bool, yes: &str, no: &str) -> Found {
    if good { Ok(yes.to_owned()) } else { Err(no.to_owned()) }
}

fn same(found: &Value, wanted: &Value) -> Found {
    if found == wanted {
        Ok("as in the template".to_owned())
    } else {
        Err(format!("{found}, but the template has {wanted}"))
    }
}

fn there(table: &TableDescription, name: &str) -> Found {
    match table.table_status() {
        Some(TableStatus::Active | TableStatus::Updating) => Ok(name.to_owned()),
        status => Err(format!("{name} is {}", status.map_or("unknown", TableStatus::as_str))),
    }
}

/// A key schema in the template's form.
fn keys(schema: &[KeySchemaElement]) -> Value {
    let keys =
        schema.iter().map(|key| json!({ "AttributeName": key.attribute_name(), "KeyType": key.key_type().as_str() }));
    keys.collect()
}

fn indexes(table: &TableDescription, wanted: &Value) -> Found {
    let wanted: Vec<&Value> = wanted["GlobalSecondaryIndexes"].as_array().into_iter().flatten().collect();
    let there = table.global_secondary_indexes();
    if let Some(other) =
        there.iter().find(|index| !wanted.iter().any(|wanted| wanted["IndexName"].as_str() == index.index_name()))
    {
        return Err(format!(
            "{} is not in the template and adds the cost of a write to each change",
            other.index_name().unwrap_or_default()
        ));
    }
    for wanted in &wanted {
        let name = wanted["IndexName"].as_str().unwrap_or_default();
        let Some(index) = there.iter().find(|index| index.index_name() == Some(name)) else {
            return Err(format!("{name} is missing"));
        };
        if !matches!(index.index_status(), None | Some(IndexStatus::Active)) {
            return Err(format!("{name} is not ready"));
        }
        same(&keys(index.key_schema()), &wanted["KeySchema"]).map_err(|why| format!("{name} has the keys {why}"))?;
        let projection = index.projection();
        let kind = projection.and_then(|projection| projection.projection_type()).map(ProjectionType::as_str);
        let mut attributes = projection.map(|projection| projection.non_key_attributes().to_vec()).unwrap_or_default();
        attributes.sort();
        let mut all: Vec<String> = wanted["Projection"]["NonKeyAttributes"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect();
        all.sort();
        if kind != wanted["Projection"]["ProjectionType"].as_str() || attributes != all {
            return Err(format!("{name} has different attributes from the template"));
        }
    }
    Ok(if wanted.is_empty() { "none, as in the template".to_owned() } else { format!("{}, ready", wanted.len()) })
}

fn billing(table: &TableDescription) -> Found {
    let mode = table.billing_mode_summary().and_then(|summary| summary.billing_mode());
    either(
        mode == Some(&BillingMode::PayPerRequest),
        "on demand",
        "provisioned: requests are throttled above the provisioned capacity",
    )
}

fn encryption(table: &TableDescription) -> Found {
    let status = table.sse_description().and_then(|description| description.status());
    either(
        matches!(status, Some(SseStatus::Enabled | SseStatus::Updating)),
        "with an AWS KMS key",
        "with a DynamoDB-owned key",
    )
}

async fn time_to_live(client: &Client, name: &str, wanted: &Value) -> Found {
    let response = client.describe_time_to_live().table_name(name).send().await.map_err(|error| reason(&error))?;
    let found = response.time_to_live_description();
    let on = matches!(
        found.and_then(|found| found.time_to_live_status()),
        Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling)
    );
    let attribute = found.and_then(|found| found.attribute_name()).filter(|_| on);
    let wanted = wanted["TimeToLiveSpecification"]["AttributeName"].as_str();
    let words = |attribute: Option<&str>| attribute.map_or("off".to_owned(), |attribute| format!("on ({attribute})"));
    either(
        attribute == wanted,
        &words(attribute),
        &format!("{}, but the template has it {}", words(attribute), words(wanted)),
    )
}

async fn recovery(client: &Client, name: &str) -> Found {
    let response =
        client.describe_continuous_backups().table_name(name).send().await.map_err(|error| reason(&error))?;
    let backups = response.continuous_backups_description();
    let point_in_time = backups.and_then(|backups| backups.point_in_time_recovery_description());
    let on = backups.is_some_and(|backups| *backups.continuous_backups_status() == ContinuousBackupsStatus::Enabled)
        && point_in_time.and_then(|it| it.point_in_time_recovery_status()) == Some(&PointInTimeRecoveryStatus::Enabled);
    let days = point_in_time.and_then(PointInTimeRecoveryDescription::recovery_period_in_days).unwrap_or(35);
    either(on, &format!("on, for the last {days} days"), "off: the table can't be restored")
}

async fn subscribed(config: &SdkConfig, arn: &str) -> Found {
    let response = aws_sdk_sns::Client::new(config).get_topic_attributes().topic_arn(arn).send().await;
    let attributes = response.map_err(|error| reason(&error))?.attributes.unwrap_or_default();
    let count = |name: &str| attributes.get(name).and_then(|count| count.parse::<u32>().ok()).unwrap_or(0);
    let (confirmed, pending) = (count("SubscriptionsConfirmed"), count("SubscriptionsPending"));
    either(
        confirmed > 0,
        &format!("{confirmed} confirmed"),
        &format!("no one receives the alarms: 0 confirmed, {pending} pending"),
    )
}

async fn reachable(url: &str) -> Found {
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).timeout(ISSUER_TIMEOUT).build();
    let client = client.map_err(|error| whole(&error))?;
    let issuer = IssuerUrl::new(url.to_owned()).map_err(|error| whole(&error))?;
    let metadata = CoreProviderMetadata::discover_async(issuer, &client).await.map_err(|error| whole(&error))?;
    let keys = metadata.jwks().keys().len();
    either(keys > 0, &format!("responds, with {keys} keys"), "responds, but has no signing keys")
}

/// What AWS said, or why there was no response.
fn reason<E: ProvideErrorMetadata + std::error::Error + 'static, R: std::fmt::Debug + 'static>(
    error: &SdkError<E, R>,
) -> String {
    match (error.code(), error.message()) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(code), None) => code.to_owned(),
        _ => whole(error),
    }
}

/// An error with all its causes, in one line.
fn whole(error: &impl std::error::Error) -> String {
    let behind = std::iter::successors(error.source(), |error| error.source());
    behind.fold(error.to_string(), |text, error| format!("{text}: {error}"))
}

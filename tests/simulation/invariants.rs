//! What must hold: of the tables at every moment, and of everything once it is quiet.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    engine::Attributes,
    truth::{Deed, End, Kind, Truth},
};

fn is(item: &Attributes, ends: &str) -> bool {
    item["pk"].ends_with(ends)
}

/// A partition of `ORG#{org}#{name}#{rest}`: the rest.
fn rest<'a>(item: &'a Attributes, name: &str) -> Option<&'a str> {
    item["pk"].splitn(3, '#').nth(2)?.strip_prefix(name)?.strip_prefix('#')
}

/// The ids of the records of one kind, and their items.
fn records<'a>(items: &'a [Attributes], kind: &str) -> BTreeMap<&'a str, &'a Attributes> {
    items.iter().filter(|item| is(item, kind)).map(|item| (item["sk"].as_str(), item)).collect()
}

/// What is wrong with the tables. Every write leaves them right, so this can be asked at any moment.
pub fn of_tables(access: &[Attributes], items: &[Attributes]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut expect = |holds: bool, what: String| {
        if !holds {
            wrong.push(what);
        }
    };
    let (jobs, candidates) = (records(items, "#JOB"), records(items, "#CANDIDATE"));
    let (applications, tombstones) = (records(items, "#APPLICATION"), records(items, "#TOMBSTONE"));
    let applications: BTreeMap<_, _> =
        applications.into_iter().filter(|(_, item)| item.contains_key("jobId")).collect();

    // Each e-mail has one candidate, and each candidate's e-mail has a marker.
    let emails: BTreeMap<&str, &str> =
        items.iter().filter_map(|item| Some((rest(item, "EMAIL")?, item["candidateId"].as_str()))).collect();
    for (email, id) in &emails {
        let owner = candidates.get(id).and_then(|item| item.get("email")).map(|email| email.to_lowercase());
        expect(owner.as_deref() == Some(*email), format!("{email} is marked for {id}, who has {owner:?}"));
    }
    let with_email = candidates.values().filter(|item| item.contains_key("email")).count();
    expect(with_email == emails.len(), format!("{with_email} candidates have one of {} e-mails", emails.len()));

    // Each application has a marker, by which its candidate's erasure finds it.
    let markers: BTreeMap<(&str, &str), &str> = items
        .iter()
        .filter_map(|item| {
            let candidate = rest(item, "CANDIDATE")?.strip_suffix("#APPLICATION")?;
            Some(((candidate, item["sk"].as_str()), item["applicationId"].as_str()))
        })
        .collect();
    for (id, item) in &applications {
        let marker = markers.get(&(item["candidateId"].as_str(), item["jobId"].as_str()));
        expect(marker == Some(id), format!("the application {id} is marked as {marker:?}"));
        expect(jobs.contains_key(item["jobId"].as_str()), format!("the application {id} has no job"));
    }
    expect(
        markers.len() == applications.len(),
        format!("{} markers, {} applications", markers.len(), applications.len()),
    );

    // The indexes' attributes agree with the fields.
    for (id, item) in jobs.iter().chain(&applications) {
        let status = item["statusPk"].rsplit('#').next();
        expect(status == Some(&item["status"]), format!("{id} is {} and listed as {status:?}", item["status"]));
    }
    for (id, item) in &candidates {
        expect(is_at(item), format!("the candidate {id} is listed at another stage"));
        expect(!tombstones.contains_key(id), format!("the candidate {id} was erased and is there"));
    }
    for (id, item) in jobs.iter().chain(&candidates) {
        let listed = item.get("externalPk").and_then(|pk| pk.rsplit('#').next());
        expect(listed == item.get("externalId").map(String::as_str), format!("{id} is listed with {listed:?}"));
    }

    // An erasure leaves no letter, or is still to be finished.
    let pending: BTreeSet<&str> =
        access.iter().filter(|item| item["pk"] == "ERASURES").filter_map(|item| item["sk"].split('#').nth(1)).collect();
    for (id, item) in &tombstones {
        let is_pending = item.get("pending").is_some();
        expect(is_pending == pending.contains(id), format!("the erasure of {id} is pending in one table only"));
        let letters =
            applications.values().filter(|item| item["candidateId"] == **id && item.contains_key("coverLetter"));
        let letters = letters.count();
        expect(is_pending || letters == 0, format!("the erasure of {id} has left {letters} letters"));
    }

    // Each account counts its keys.
    let keys: Vec<&str> = access
        .iter()
        .filter(|item| item["sk"] == "KEY" && !item.contains_key("revokedAt"))
        .filter_map(|item| item["pk"].strip_prefix("KEY#"))
        .collect();
    for account in access.iter().filter(|item| item["sk"] == "ACCOUNT") {
        let id = account["pk"].trim_start_matches("ACCOUNT#");
        let (live, own) = (account["n"].parse().ok(), keys.iter().filter(|key| key.starts_with(id)).count());
        expect(live == Some(own), format!("the account {id} counts {live:?} keys, and has {own}"));
        let secrets = account.keys().filter(|name| name.starts_with('h')).count();
        expect(secrets == own, format!("the account {id} has {secrets} secrets for {own} keys"));
    }
    wrong
}

fn is_at(candidate: &Attributes) -> bool {
    candidate["stagePk"].ends_with(&format!("#STAGE#{}", candidate["stageId"]))
        && candidate["stageSk"] == format!("{}#{}", candidate["stageEnteredAt"], candidate["id"])
}

/// Checks what is in the Records table against what the clients know, once nothing is on its way any more.
pub fn at_the_end(truth: &mut Truth, items: &[Attributes]) {
    let by_id: BTreeMap<&str, &Attributes> = items
        .iter()
        .filter(|item| ["#JOB", "#CANDIDATE", "#APPLICATION"].iter().any(|kind| is(item, kind)))
        .map(|item| (item["sk"].as_str(), item))
        .collect();
    let mut wrong = Vec::new();
    let whole = format!("{items:?}");

    // What was acknowledged is there once, what was refused is not there.
    for (external, (kind, deed)) in &truth.creations {
        let name = if *kind == Kind::Application { "source" } else { "externalId" };
        let found = by_id.values().filter(|item| item.get(name) == Some(external)).count() as u64;
        let may_be_erased = *kind == Kind::Candidate
            && match &deed.end {
                End::Done(object) => truth.objects[object["id"].as_str().unwrap()].is_leaving,
                _ => false,
            };
        let least = if may_be_erased { 0 } else { *deed.times().start() };
        if !(least..=*deed.times().end()).contains(&found) {
            wrong.push(format!("{external} is there {found} times after {deed:?}"));
        }
    }
    for (id, known) in &truth.objects {
        let is_erased = known.erasures.iter().any(Deed::is_done);
        let Some(item) = by_id.get(id.as_str()) else {
            if !known.is_leaving {
                wrong.push(format!("{id} is gone"));
            }
            continue;
        };
        if is_erased {
            wrong.push(format!("{id} was erased and is there"));
        }
        // Each write that was done has made a version, and nothing else has.
        let (mut least, mut most) = (1, 1);
        for deed in known.deeds() {
            least += deed.times().start();
            most += deed.times().end();
        }
        let version: u64 = item["version"].parse().unwrap();
        // Whoever erases a candidate changes their applications.
        let slack = u64::from(known.kind == Kind::Application);
        if !(least..=most + slack).contains(&version) {
            wrong.push(format!("{id} is at version {version}, not {least} to {most}: {known:?}"));
        }
        // What the last write has shown is what is there.
        let in_order = |deed: &Deed| deed.version().is_some() || *deed.times().end() == 0;
        let last = known.updates.iter().map(|(_, deed)| deed).max_by_key(|deed| deed.version());
        if let (Some(End::Done(shown)), true) =
            (last.map(|deed| &deed.end), known.updates.iter().all(|(_, deed)| in_order(deed)))
        {
            let field = if known.kind == Kind::Job { "title" } else { "headline" };
            if item.get(field).map(String::as_str) != shown[field].as_str() {
                wrong.push(format!("{id} has {:?}, not {}", item.get(field), shown[field]));
            }
        }
        for (value, deed) in &known.updates {
            if *deed.times().end() == 0 && whole.contains(&format!("\"{value}\"")) {
                wrong.push(format!("{value} was refused and is there"));
            }
        }
    }
    truth.wrong.extend(wrong);
}

/// The items that nothing may change any more: those about whose writes the clients know everything.
pub fn settled(truth: &Truth, items: &[Attributes]) -> BTreeMap<String, Attributes> {
    let is_settled = |id: &str| {
        truth.objects.get(id).is_some_and(|known| {
            known.kind != Kind::Application && known.deeds().chain(&known.erasures).all(Deed::is_certain)
        })
    };
    let records = items.iter().filter(|item| is(item, "#JOB") || is(item, "#CANDIDATE"));
    records.filter(|item| is_settled(&item["sk"])).map(|item| (item["sk"].clone(), item.clone())).collect()
}

/// Checks that no erasure is left, that there are as many keys as were created, and that the counters hold at least what was served.
pub fn of_access(truth: &mut Truth, access: &[Attributes]) {
    let pending = access.iter().filter(|item| item["pk"] == "ERASURES").count();
    truth.expect(pending == 0, || format!("{pending} erasures are not finished"));
    let served: u64 = truth.minutes.values().map(|(_, served)| served).sum();
    let sent: u64 = truth.minutes.values().map(|(sent, _)| sent).sum();
    let counted: u64 = access
        .iter()
        .filter(|item| item["sk"] == "ACCOUNT")
        .flat_map(|item| item.iter().filter(|(name, _)| name.starts_with('q')))
        .map(|(_, count)| count.parse::<u64>().unwrap())
        .sum();
    let (keys, (least, most)) = (access.iter().filter(|item| item["sk"] == "KEY").count(), truth.key_count);
    truth.expect((least..=most).contains(&keys), || format!("{keys} keys were created, not {least} to {most}"));
    // An attempt that comes twice may count twice.
    truth.expect((served..=sent * 2).contains(&counted), || format!("{counted} counted, {served} served of {sent}"));
}

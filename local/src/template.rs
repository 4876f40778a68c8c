//! Reads `template.yaml`: which function serves which path, which runs how often, what the tables are, and which origins browsers may call
//! from. A route missing from the template is missing here.

use std::{fs, path::Path, time::Duration};

use serde_json::{Map, Value};

use crate::{StartError, cors::Cors};

/// The template in the repository that this crate was built from.
pub const REPOSITORY_TEMPLATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../template.yaml");

/// The parts of a template that this crate uses.
#[derive(Debug)]
pub struct Template {
    /// Every route of the HTTP API.
    pub routes: Vec<Route>,
    /// Every schedule.
    pub schedules: Vec<Schedule>,
    /// Every table: its logical id and its properties, most of which a `CreateTable` request takes.
    pub tables: Vec<(String, Map<String, Value>)>,
    /// What pages from other origins may do.
    pub cors: Cors,
}

/// An `HttpApi` event of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// `ANY`, or a method.
    pub method: String,
    /// The pattern: `/api/v1/jobs/{proxy+}`, or `$default`.
    pub path: String,
    /// The `CodeUri` of the function.
    pub function: String,
}

/// A `ScheduleV2` event of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// How long it is from one run to the next.
    pub every: Duration,
    /// The `CodeUri` of the function.
    pub function: String,
}

impl Template {
    /// Reads the template at `path`.
    pub fn read(path: &Path) -> Result<Self, StartError> {
        let text = fs::read_to_string(path).map_err(|error| StartError::TemplateUnreadable(path.to_owned(), error))?;
        Self::parse(&text)
    }

    /// Parses a template. Ignores tags such as `!Ref`: nothing that it reads is computed.
    pub fn parse(text: &str) -> Result<Self, StartError> {
        let document: Value = serde_saphyr::from_str(text)
            .map_err(|error| StartError::Template(error.to_string().lines().next().unwrap_or_default().to_owned()))?;
        let resources = document["Resources"].as_object().ok_or_else(|| broken("it has no Resources"))?;
        let mut template =
            Self { routes: Vec::new(), schedules: Vec::new(), tables: Vec::new(), cors: Cors::default() };
        for (name, resource) in resources {
            let properties = &resource["Properties"];
            match resource["Type"].as_str() {
                Some("AWS::Serverless::Function") => {
                    template.routes.extend(routes(name, properties)?);
                    template.schedules.extend(schedules(name, properties)?);
                }
                Some("AWS::DynamoDB::Table") => {
                    let properties =
                        properties.as_object().ok_or_else(|| broken(&format!("{name} has no Properties")))?;
                    template.tables.push((name.clone(), properties.clone()));
                }
                Some("AWS::Serverless::HttpApi") => template.cors = Cors::read(properties, &document["Parameters"]),
                _ => {}
            }
        }
        if template.routes.is_empty() {
            return Err(broken("it has no function with an HttpApi event"));
        }
        Ok(template)
    }
}

fn code_uri<'a>(name: &str, properties: &'a Value) -> Result<&'a str, StartError> {
    properties["CodeUri"].as_str().ok_or_else(|| broken(&format!("{name} has no CodeUri")))
}

/// The properties of a function's events of a type.
fn events<'a>(properties: &'a Value, event_type: &str) -> impl Iterator<Item = &'a Value> {
    let events = properties["Events"].as_object().into_iter().flat_map(Map::values);
    events.filter(move |event| event["Type"] == event_type).map(|event| &event["Properties"])
}

fn schedules(name: &str, properties: &Value) -> Result<Vec<Schedule>, StartError> {
    let function = code_uri(name, properties)?;
    let read = |event: &Value| {
        let minutes = event["ScheduleExpression"].as_str()?.strip_prefix("rate(")?.strip_suffix(" minutes)")?;
        let minutes = minutes.parse().ok().filter(|minutes| *minutes > 0)?;
        Some(Schedule { every: Duration::from_mins(minutes), function: function.to_owned() })
    };
    let unknown = || broken(&format!("the schedule of {name} is not rate(N minutes)"));
    events(properties, "ScheduleV2").map(|event| read(event).ok_or_else(unknown)).collect()
}

fn routes(name: &str, properties: &Value) -> Result<Vec<Route>, StartError> {
    let function = code_uri(name, properties)?;
    Ok(events(properties, "HttpApi")
        .map(|event| Route {
            // In SAM, an event with neither method nor path is the `$default` route.
            method: event["Method"].as_str().unwrap_or("ANY").to_uppercase(),
            path: event["Path"].as_str().unwrap_or("$default").to_owned(),
            function: function.to_owned(),
        })
        .collect())
}

fn broken(why: &str) -> StartError {
    StartError::Template(why.to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use shared::{http::app::App, model::clock::Clock, store::db::Db};

    use super::*;
    use crate::database::{self, Embedded};

    #[test]
    fn a_broken_template_is_reported_in_one_line() {
        for (text, why) in [
            ("", "Can't serve the template: it has no Resources."),
            ("Resources: {}", "Can't serve the template: it has no function with an HttpApi event."),
            (
                "Resources: {F: {Type: AWS::Serverless::Function, Properties: {}}}",
                "Can't serve the template: F has no CodeUri.",
            ),
            (
                "Resources: {F: {Type: AWS::Serverless::Function, Properties: {CodeUri: f, Events: {E: {Type: ScheduleV2, Properties: {ScheduleExpression: cron(0 8 * * ? *)}}}}}}",
                "Can't serve the template: the schedule of F is not rate(N minutes).",
            ),
        ] {
            assert_eq!(Template::parse(text).unwrap_err().to_string(), why);
        }
        let message = Template::parse("Resources: [").unwrap_err().to_string();
        assert!(message.starts_with("Can't serve the template: ") && !message.contains('\n'), "{message}");
        let message = Template::read(Path::new("/nowhere.yaml")).unwrap_err().to_string();
        assert!(message.starts_with("Can't read the template /nowhere.yaml: "), "{message}");
    }

    #[test]
    fn the_repositorys_template_has_a_route_for_every_path_and_a_schedule_for_every_function_without_one() {
        let template = Template::read(Path::new(REPOSITORY_TEMPLATE)).unwrap();
        let app = || {
            let db = Db::with(database::config("http://127.0.0.1:1"), Embedded::tables());
            App::new(db, Clock::system())
        };
        let known = crate::apis(app, settings::Issuer::new("http://127.0.0.1:1", "settings", None));
        let on_schedule: HashSet<_> = crate::tasks(app).into_keys().collect();
        assert_eq!(template.schedules.iter().map(|it| it.function.as_str()).collect::<HashSet<_>>(), on_schedule);
        assert!(template.routes.iter().all(|route| known.contains_key(route.function.as_str())));
        assert_eq!(template.routes.iter().filter(|route| route.path == "$default").count(), 1);
        assert_eq!(template.tables.len(), 2);
    }
}

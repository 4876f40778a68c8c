//! A response, with the assertions that tests make about it.

use axum::http::{HeaderMap, StatusCode};
use serde_json::Value;

#[derive(Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Answer {
    /// The object in the response, which must have this status.
    #[track_caller]
    pub fn ok(&self, status: u16) -> &Value {
        assert_eq!(self.status, status, "{}", self.body);
        assert_eq!(self.body["success"], true);
        &self.body["data"]
    }

    /// The rows of a list.
    #[track_caller]
    pub fn rows(&self) -> &Vec<Value> {
        self.ok(200).as_array().unwrap()
    }

    #[track_caller]
    pub fn ids(&self) -> Vec<String> {
        self.rows().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
    }

    pub fn next(&self) -> Option<&str> {
        self.body["pagination"]["nextCursor"].as_str()
    }

    /// The error in the response, checked for the form that all errors have.
    #[track_caller]
    pub fn error(&self, status: u16, code: &str) -> &Value {
        assert_eq!((self.status.as_u16(), self.body["error"]["code"].as_str()), (status, Some(code)), "{}", self.body);
        assert_eq!(self.body["success"], false);
        assert_eq!(self.header("x-request-id"), self.body["error"]["requestId"].as_str());
        assert!(self.body["error"]["message"].as_str().is_some_and(|message| message.ends_with('.')));
        &self.body["error"]
    }

    /// The invalid fields, each as `field: code`.
    #[track_caller]
    pub fn problems(&self) -> Vec<String> {
        let details = self.error(422, "validation_error")["details"].as_array().unwrap();
        let text = |detail: &Value, name: &str| detail[name].as_str().unwrap().to_owned();
        details.iter().map(|detail| format!("{}: {}", text(detail, "field"), text(detail, "code"))).collect()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

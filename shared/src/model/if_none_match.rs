//! The precondition of a read: the versions that the client has already. It knows no header map.

/// The versions of an object that a client has: the `If-None-Match` header (RFC 9110, section 13.1.2). Without the header, none.
///
/// Tags are compared weakly, so `W/"3"` is version 3. A tag that this API did not issue matches nothing, which is not an error: the client
/// gets the object.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct IfNoneMatch(Vec<String>);

impl IfNoneMatch {
    /// Reads the header's values.
    pub(crate) fn read(values: impl Iterator<Item = String>) -> Self {
        Self(values.collect())
    }

    /// Whether the client has the object at this version.
    pub(crate) fn has(&self, version: u64) -> bool {
        let is_tag = |tag: &str| {
            let tag = tag.trim();
            tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == format!("\"{version}\"")
        };
        self.0.iter().any(|value| value.split(',').any(is_tag))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_compared_weakly_and_foreign_ones_match_nothing() {
        let has = |values: &[&str]| IfNoneMatch::read(values.iter().map(|value| (*value).to_owned())).has(3);
        for known in [&["\"3\""][..], &["W/\"3\""], &["\"1\", W/\"3\""], &["\"1\"", "\"3\""], &["*"], &[" \"3\" ,"]] {
            assert!(has(known), "{known:?}");
        }
        for other in
            [&[][..], &[""], &["\"4\""], &["3"], &["\"3"], &["\"33\""], &["\"3-gzip\""], &["w/\"3\""], &["\"abc\""]]
        {
            assert!(!has(other), "{other:?}");
        }
    }
}

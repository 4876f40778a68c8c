//! The headers that show a request's rate limit and quota. It counts nothing.

use axum::http::HeaderName;

use crate::model::window::{BURST_WINDOW_SECS, Limits};

/// `RateLimit` and `RateLimit-Policy` from draft-ietf-httpapi-ratelimit-headers-09, and the older `X-RateLimit-…` for the burst, whose
/// reset is in Unix seconds.
pub(crate) fn limit_headers(limits: &Limits) -> Vec<(HeaderName, String)> {
    let Limits { now, burst, month, usage } = *limits;
    let mut policy = format!("\"burst\";q={};w={BURST_WINDOW_SECS}", burst.limit);
    let mut standing = format!("\"burst\";r={};t={}", burst.remaining(), burst.seconds_left(now));
    if let Some(month) = month {
        policy = format!("{policy}, \"month\";q={}", month.limit);
        standing = format!("{standing}, \"month\";r={};t={}", month.remaining(), month.seconds_left(now));
    }
    if let Some(usage) = usage {
        policy = format!("\"usage\";q={};w={BURST_WINDOW_SECS}, {policy}", usage.limit);
        standing = format!("\"usage\";r={};t={}, {standing}", usage.remaining(), usage.seconds_left(now));
    }
    vec![
        (HeaderName::from_static("ratelimit-policy"), policy),
        (HeaderName::from_static("ratelimit"), standing),
        (HeaderName::from_static("x-ratelimit-limit"), burst.limit.to_string()),
        (HeaderName::from_static("x-ratelimit-remaining"), burst.remaining().to_string()),
        (HeaderName::from_static("x-ratelimit-reset"), burst.resets_at.as_secs().to_string()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{clock::Timestamp, window::Standing};

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn headers_show_both_limits_and_round_seconds_up() {
        let now = at("2026-11-24T10:00:47.001Z");
        let limits = Limits {
            now,
            burst: Standing::of_burst(3, now),
            month: Some(Standing::of_month(1_000, 188, now)),
            usage: None,
        };
        let headers: Vec<_> =
            limit_headers(&limits).into_iter().map(|(name, value)| format!("{name}: {value}")).collect();
        assert_eq!(
            headers,
            [
                "ratelimit-policy: \"burst\";q=60;w=60, \"month\";q=1000",
                "ratelimit: \"burst\";r=57;t=13, \"month\";r=812;t=568753",
                "x-ratelimit-limit: 60",
                "x-ratelimit-remaining: 57",
                "x-ratelimit-reset: 1795514460",
            ]
        );
    }

    #[test]
    fn an_unlimited_plan_has_no_month_member() {
        let now = at("2026-11-24T10:00:00.000Z");
        let limits = Limits { now, burst: Standing::of_burst(1, now), month: None, usage: None };
        assert!(limit_headers(&limits).iter().all(|(_, value)| !value.contains("month")));
        assert_eq!(limit_headers(&limits)[1].1, "\"burst\";r=59;t=60");
        let limits = Limits { usage: Some(Standing::of_burst(60, now)), ..limits };
        assert_eq!(limit_headers(&limits)[0].1, "\"usage\";q=60;w=60, \"burst\";q=60;w=60");
        assert_eq!(limit_headers(&limits)[1].1, "\"usage\";r=0;t=60, \"burst\";r=59;t=60");
    }
}

//! Which hosts this machine answers for. A web page whose name is made to lead here (DNS rebinding) sends that name with its requests,
//! and is told that nobody is at home: to the browser it would be of one origin with the settings.

use std::{net::IpAddr, sync::Arc};

use axum::{
    body::Body,
    extract::{Request, State},
    http::{Response, StatusCode, header, uri::Authority},
    middleware::Next,
};

use crate::gateway;

/// The hosts that are answered for, beside loopback's.
#[derive(Clone, Debug)]
pub struct Hosts(Vec<String>);

impl Hosts {
    /// Loopback's, and `allowed`, which are names or addresses. A port is as good as another.
    #[must_use]
    pub fn new(allowed: &[String]) -> Self {
        let name =
            |host: &String| host.parse::<Authority>().map_or_else(|_| host.clone(), |host| name(&host).to_owned());
        Self(allowed.iter().map(name).collect())
    }

    /// Whether a request for `host`, which may have a port, is answered. A browser itself sees to it that `localhost` and what is
    /// below it lead to loopback (RFC 6761, section 6.3).
    #[must_use]
    pub fn has(&self, host: &str) -> bool {
        let Ok(host) = host.parse::<Authority>() else { return false };
        let name = name(&host);
        let ends = |end: &str| name.len() > end.len() && name[name.len() - end.len()..].eq_ignore_ascii_case(end);
        !host.as_str().contains('@')
            && (name.eq_ignore_ascii_case("localhost")
                || (name.is_ascii() && ends(".localhost"))
                || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
                || self.0.iter().any(|allowed| allowed.eq_ignore_ascii_case(name)))
    }
}

/// The host without its port, an address without its brackets, a name without the dot of the root.
fn name(host: &Authority) -> &str {
    let name = host.host().trim_start_matches('[').trim_end_matches(']');
    name.strip_suffix('.').unwrap_or(name)
}

/// Lets a request pass that names only hosts which are answered for: in `Host`, and in its target, where that has one.
pub async fn check(State(hosts): State<Arc<Hosts>>, request: Request, next: Next) -> Response<Body> {
    let mut named: Vec<&str> =
        request.headers().get_all(header::HOST).iter().map(|host| host.to_str().unwrap_or_default()).collect();
    named.extend(request.uri().authority().map(Authority::as_str));
    if !named.is_empty() && named.into_iter().all(|host| hosts.has(host)) {
        return next.run(request).await;
    }
    let told = "This is a development server, which answers only for localhost. To reach it under another name, start it with --allow-host NAME.";
    gateway::gateway_error(StatusCode::MISDIRECTED_REQUEST, told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_and_what_was_allowed_is_answered_for() {
        let hosts = Hosts::new(&["Tunnel.example:443", "192.0.2.7", "[2001:db8::7]:80"].map(str::to_owned));
        for fine in [
            "localhost",
            "localhost:3000",
            "LOCALHOST:1",
            "localhost.",
            "api.localhost:3000",
            "127.0.0.1",
            "127.0.0.1:3000",
            "127.9.9.9:80",
            "[::1]:3000",
            "[::1]",
            "tunnel.example",
            "tunnel.example:443",
            "192.0.2.7:3000",
            "[2001:db8::7]",
        ] {
            assert!(hosts.has(fine), "{fine}");
        }
        for other in [
            "",
            " ",
            "evil.example",
            "evil.example:3000",
            "localhost.evil.example",
            "evillocalhost",
            ".localhost.evil.example",
            "127.0.0.1.evil.example",
            "127.0.0.1@evil.example",
            "localhost@evil.example:3000",
            "evil.example@localhost",
            "[::2]:3000",
            "0.0.0.0:3000",
            "192.0.2.8",
            "sub.tunnel.example",
            "2130706433",
            "localhost:3000, evil.example",
            "é.localhost",
        ] {
            assert!(!hosts.has(other), "{other}");
        }
    }
}

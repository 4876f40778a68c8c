//! Rejects requests for hosts other than this machine. With DNS rebinding, an attacker's page resolves its own name to this machine, so the
//! browser would treat it as the same origin as the settings; its requests carry that name, and get a 421.

use std::{net::IpAddr, sync::Arc};

use axum::{
    body::Body,
    extract::{Request, State},
    http::{Response, StatusCode, header, uri::Authority},
    middleware::Next,
};

use crate::gateway;

/// The hosts that are accepted besides loopback.
#[derive(Clone, Debug)]
pub struct Hosts(Vec<String>);

impl Hosts {
    /// Accepts loopback and `allowed`, which are names or addresses. Ports are ignored.
    #[must_use]
    pub fn new(allowed: &[String]) -> Self {
        let name =
            |host: &String| host.parse::<Authority>().map_or_else(|_| host.clone(), |host| name(&host).to_owned());
        Self(allowed.iter().map(name).collect())
    }

    /// Whether to accept a request for `host`, which may include a port. Browsers themselves make sure that `localhost` and the names below
    /// it resolve to loopback (RFC 6761, section 6.3).
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

/// The host without its port, an address's brackets, or a name's trailing dot.
fn name(host: &Authority) -> &str {
    let name = host.host().trim_start_matches('[').trim_end_matches(']');
    name.strip_suffix('.').unwrap_or(name)
}

/// Passes a request on if every host that it names is accepted: in `Host`, and in its target if that has one.
pub async fn check(State(hosts): State<Arc<Hosts>>, request: Request, next: Next) -> Response<Body> {
    let mut named: Vec<&str> =
        request.headers().get_all(header::HOST).iter().map(|host| host.to_str().unwrap_or_default()).collect();
    named.extend(request.uri().authority().map(Authority::as_str));
    if !named.is_empty() && named.into_iter().all(|host| hosts.has(host)) {
        return next.run(request).await;
    }
    let message = "This development server only accepts requests for localhost. To use another host name, start it with --allow-host NAME.";
    gateway::gateway_error(StatusCode::MISDIRECTED_REQUEST, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_and_allowed_hosts_are_accepted() {
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

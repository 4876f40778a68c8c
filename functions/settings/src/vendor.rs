//! How well-known issuers behave where they differ from OpenID Connect, or where it leaves a choice. It makes no request: it decides from
//! the issuer's URL, metadata and claims.

use serde_json::Value;
use url::{Host, Url};

/// The URL at which the browser ends its session at the issuer, before it returns to `back`. `None`: the issuer names no such endpoint.
///
/// `end_session` is `end_session_endpoint` from OpenID Connect RP-Initiated Logout 1.0. It gets the client's id and the URL to return to,
/// but no `id_token_hint`, because we keep no token. Amazon Cognito has this page on the domain of its `authorization` endpoint, with its
/// own parameters, whether or not its metadata names it.
#[must_use]
pub fn sign_out_url(
    issuer: &str,
    authorization: &Url,
    end_session: Option<&str>,
    client_id: &str,
    back: &str,
) -> Option<Url> {
    let issuer = Url::parse(issuer).ok()?;
    let (mut url, back_name) = if is_cognito(&issuer) {
        let mut url = authorization.clone();
        url.set_path("/logout");
        url.set_query(None);
        (url, "logout_uri")
    } else {
        (Url::parse(end_session?).ok()?, "post_logout_redirect_uri")
    };
    // One of our pages links to it, so it must be a web page, and no less protected than the issuer itself.
    if url.scheme() != "https" && (url.scheme() != "http" || issuer.scheme() != "http") {
        return None;
    }
    url.query_pairs_mut().append_pair("client_id", client_id).append_pair(back_name, back);
    Some(url)
}

/// Whether the issuer confirms that the email belongs to the person. If `email_verified` is present, it decides. Microsoft Entra never
/// sends it, but has the optional claim `xms_edov` instead: either the tenant has proved that it owns the email's domain, or Microsoft has
/// checked the address itself. From any other issuer, that claim has no meaning and is ignored.
#[must_use]
pub fn is_email_verified(issuer: &str, email_verified: Option<bool>, xms_edov: Option<&Value>) -> bool {
    email_verified.unwrap_or_else(|| Url::parse(issuer).is_ok_and(|issuer| is_entra(&issuer)) && is_true(xms_edov))
}

/// Accepts the forms in which Entra has been observed to send it.
fn is_true(claim: Option<&Value>) -> bool {
    match claim {
        Some(Value::Bool(value)) => *value,
        Some(Value::Number(number)) => number.as_u64() == Some(1),
        Some(Value::String(text)) => text == "1" || text.eq_ignore_ascii_case("true"),
        _ => false,
    }
}

/// `https://cognito-idp.REGION.amazonaws.com/POOL`
fn is_cognito(issuer: &Url) -> bool {
    host(issuer).is_some_and(|host| {
        let region = host.strip_prefix("cognito-idp.");
        let region = region
            .and_then(|rest| rest.strip_suffix(".amazonaws.com").or_else(|| rest.strip_suffix(".amazonaws.com.cn")));
        region.is_some_and(|region| !region.is_empty() && !region.contains('.'))
    })
}

/// `https://login.microsoftonline.com/TENANT/v2.0`, its counterparts in the national clouds, or an external tenant's
/// `https://TENANT.ciamlogin.com/TENANT/v2.0`.
fn is_entra(issuer: &Url) -> bool {
    let clouds = ["login.microsoftonline.com", "login.microsoftonline.us", "login.partner.microsoftonline.cn"];
    host(issuer).is_some_and(|host| clouds.contains(&host) || host.ends_with(".ciamlogin.com"))
}

/// The host's name, if HTTPS on the default port proves it.
fn host(issuer: &Url) -> Option<&str> {
    match issuer.host()? {
        Host::Domain(name) if issuer.scheme() == "https" && issuer.port().is_none() => Some(name),
        _ => None,
    }
}

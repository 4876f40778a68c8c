//! What well-known issuers do in a way of their own, where OpenID Connect leaves it open or they differ from it. It asks nobody: it
//! decides by what the issuer has said of itself.

use serde_json::Value;
use url::{Host, Url};

/// Where the browser ends its session at the issuer, to come `back` here. `None`: the issuer names no such place.
///
/// `end_session` is `end_session_endpoint` of OpenID Connect RP-Initiated Logout 1.0, which is told who asks and where to come back
/// to. It gets no `id_token_hint`: no token is kept. Amazon Cognito has the page at the domain of its `authorization` endpoint, under
/// parameters of its own, whether or not its metadata names it.
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
    // It becomes a link of a page of ours: what is no web page, or less protected than the issuer itself, is not linked.
    if url.scheme() != "https" && (url.scheme() != "http" || issuer.scheme() != "http") {
        return None;
    }
    url.query_pairs_mut().append_pair("client_id", client_id).append_pair(back_name, back);
    Some(url)
}

/// Whether the issuer says that the e-mail is the person's own. `email_verified` decides where it is sent. Microsoft Entra never
/// sends it, and has the optional claim `xms_edov` instead: the tenant has proved that it owns the e-mail's domain, or Microsoft has
/// checked the address itself. Of another issuer that claim has no meaning, and is not believed.
#[must_use]
pub fn is_email_verified(issuer: &str, email_verified: Option<bool>, xms_edov: Option<&Value>) -> bool {
    email_verified.unwrap_or_else(|| Url::parse(issuer).is_ok_and(|issuer| is_entra(&issuer)) && is_true(xms_edov))
}

/// The forms in which Entra has been seen to write it.
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

/// `https://login.microsoftonline.com/TENANT/v2.0`, its like in the national clouds, or an external tenant's
/// `https://TENANT.ciamlogin.com/TENANT/v2.0`.
fn is_entra(issuer: &Url) -> bool {
    let clouds = ["login.microsoftonline.com", "login.microsoftonline.us", "login.partner.microsoftonline.cn"];
    host(issuer).is_some_and(|host| clouds.contains(&host) || host.ends_with(".ciamlogin.com"))
}

/// The name of a host that has proved it is that.
fn host(issuer: &Url) -> Option<&str> {
    match issuer.host()? {
        Host::Domain(name) if issuer.scheme() == "https" && issuer.port().is_none() => Some(name),
        _ => None,
    }
}

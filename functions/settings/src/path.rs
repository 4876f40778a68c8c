//! The paths that more than one page of the settings uses. It knows no page.

use shared::model::key::KeyId;

/// Where people arrive after signing in: their keys.
pub(crate) const HOME: &str = "/settings/keys";
/// Where a sign-in begins.
pub(crate) const SIGN_IN: &str = "/settings/sign-in";
/// Where the issuer returns people after they sign in.
pub const CALLBACK: &str = "/settings/callback";
/// Where the issuer returns people after they sign out.
pub const SIGNED_OUT: &str = "/settings/signed-out";

/// The path at which a key is rotated.
pub(crate) fn rotate_path(key: &KeyId) -> String {
    format!("{HOME}/{key}/rotate")
}

/// Whether it is the path of a settings page, with nothing in it that could lead to another host.
pub(crate) fn is_ours(path: &str) -> bool {
    let rest = path.strip_prefix("/settings");
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_');
    rest.is_some_and(|rest| {
        path.len() <= 200
            && (rest.is_empty() || rest.starts_with('/'))
            && rest.chars().all(plain)
            && !rest.contains("//")
    })
}

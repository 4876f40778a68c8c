//! The paths of the settings that more than one page knows. It knows no page.

/// Where people arrive who have signed in: their keys.
pub(crate) const HOME: &str = "/settings/keys";
/// Where signing in begins.
pub(crate) const SIGN_IN: &str = "/settings/sign-in";
/// Where the issuer sends people back to after signing in.
pub const CALLBACK: &str = "/settings/callback";
/// Where the issuer sends people back to after signing out.
pub const SIGNED_OUT: &str = "/settings/signed-out";

/// A page of the settings: a path, with nothing in it that could lead to another host.
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

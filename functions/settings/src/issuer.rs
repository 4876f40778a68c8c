//! The OpenID issuer that tells who signs in: OpenID Connect Core 1.0, the authorization code with PKCE (RFC 7636). The protocol is
//! the `openidconnect` crate's; here is which issuer, and what of it is asked.

use std::time::Duration;

use chrono::DateTime;
use openidconnect::{
    AccessTokenHash, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EndpointMaybeSet, EndpointNotSet,
    EndpointSet, IssuerUrl, Nonce, OAuth2TokenResponse, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl,
    RequestTokenError, Scope, TokenResponse,
    core::{CoreAuthenticationFlow, CoreClient, CoreErrorResponseType, CoreJwsSigningAlgorithm, CoreProviderMetadata},
    reqwest,
};
use shared::{
    app::{SettingError, optional, required},
    clock::{Clock, Timestamp},
    error::Cause,
    secret::Secret,
    value::Email,
};
use tokio::sync::Mutex;

use crate::refusal::Refusal;

/// Where the issuer sends people back to.
pub const CALLBACK: &str = "/settings/callback";
/// What the issuer says of itself is believed for so long. A token under a key that is not known yet has it asked again.
const BELIEVED_MILLIS: i64 = 60 * 60 * 1_000;
/// But not more often than this, since anybody can send a token.
const ASKED_AGAIN_MILLIS: i64 = 60 * 1_000;
/// An answer of the issuer that takes longer is none.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Signatures that only the issuer can make. An HMAC is none: its key is also ours.
const ALGORITHMS: [CoreJwsSigningAlgorithm; 6] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

type Client =
    CoreClient<EndpointSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointMaybeSet, EndpointMaybeSet>;

/// An OpenID issuer, and who we are for it.
#[derive(Debug)]
pub struct Issuer {
    url: String,
    client_id: String,
    client_secret: Option<String>,
    known: Mutex<Option<(CoreProviderMetadata, Timestamp)>>,
}

/// Who has signed in, as the issuer tells it.
#[derive(Debug)]
pub(crate) struct SignedIn {
    pub(crate) email: Email,
    pub(crate) issuer: String,
    pub(crate) subject: String,
}

impl Issuer {
    /// The issuer at `url` (as its tokens name it), for which we are the client `client_id`.
    #[must_use]
    pub fn new(url: &str, client_id: &str, client_secret: Option<String>) -> Self {
        Self { url: url.to_owned(), client_id: client_id.to_owned(), client_secret, known: Mutex::default() }
    }

    /// The one that the environment names: `OIDC_ISSUER`, `OIDC_CLIENT_ID`, and `OIDC_CLIENT_SECRET` if it gives one.
    pub fn from_env() -> Result<Self, SettingError> {
        Ok(Self::new(&required("OIDC_ISSUER")?, &required("OIDC_CLIENT_ID")?, optional("OIDC_CLIENT_SECRET")))
    }

    /// Where the browser signs in. `secret` is what the browser keeps meanwhile: state, nonce and verifier are derived from it, so
    /// that nothing of a sign-in that is never finished has to be kept here.
    pub(crate) async fn sign_in_url(&self, clock: &Clock, origin: &str, secret: &Secret) -> Result<String, Refusal> {
        let client = self.client(clock, origin, false).await?;
        let challenge = PkceCodeChallenge::from_code_verifier_sha256(&verifier(secret));
        let (state, nonce) = (CsrfToken::new(state(secret)), Nonce::new(secret.derive("nonce")));
        let request = client.authorize_url(CoreAuthenticationFlow::AuthorizationCode, || state, || nonce);
        let (url, ..) = request.add_scope(Scope::new("email".to_owned())).set_pkce_challenge(challenge).url();
        Ok(url.into())
    }

    /// Exchanges the code for who has signed in, and verifies the token that tells it: signature, issuer, audience, expiry, nonce.
    pub(crate) async fn signed_in(
        &self,
        clock: &Clock,
        origin: &str,
        secret: &Secret,
        code: String,
    ) -> Result<SignedIn, Refusal> {
        let client = self.client(clock, origin, false).await?;
        let http = http()?;
        let exchange = client
            .exchange_code(AuthorizationCode::new(code))
            .map_err(|error| Refusal::IssuerUnavailable(whole(&error)))?
            .set_pkce_verifier(verifier(secret));
        let tokens = exchange.request_async(&http).await.map_err(|error| match error {
            // The code: used before, or too old. Any other refusal is of us.
            RequestTokenError::ServerResponse(refused) if *refused.error() == CoreErrorResponseType::InvalidGrant => {
                Refusal::SignInRefused
            }
            RequestTokenError::ServerResponse(refused) => {
                Refusal::IssuerUnavailable(format!("the token endpoint answered {}", refused.error()).into())
            }
            RequestTokenError::Parse(..) => Refusal::UnverifiedToken("the tokens can't be read".into()),
            other => Refusal::IssuerUnavailable(whole(&other)),
        })?;
        let verified = verify(&client, clock, &tokens, secret);
        // The issuer may have a new key.
        match verified {
            Err(Refusal::UnverifiedToken(_)) => {
                verify(&self.client(clock, origin, true).await?, clock, &tokens, secret)
            }
            verified => verified,
        }
    }

    /// A client of the issuer, as it describes itself. `again`: what is known of it may be out of date.
    async fn client(&self, clock: &Clock, origin: &str, again: bool) -> Result<Client, Refusal> {
        let now = clock.now();
        let mut known = self.known.lock().await;
        let limit = if again { ASKED_AGAIN_MILLIS } else { BELIEVED_MILLIS };
        let fresh = known.as_ref().filter(|(_, asked)| (0..limit).contains(&(now.as_millis() - asked.as_millis())));
        let metadata = if let Some((metadata, _)) = fresh {
            metadata.clone()
        } else {
            let unavailable = Refusal::IssuerUnavailable;
            let url = IssuerUrl::new(self.url.clone()).map_err(|error| unavailable(whole(&error)))?;
            let metadata = CoreProviderMetadata::discover_async(url, &http()?).await;
            let metadata = metadata.map_err(|error| unavailable(whole(&error)))?;
            *known = Some((metadata.clone(), now));
            metadata
        };
        drop(known);
        let back = RedirectUrl::new(format!("{origin}{CALLBACK}"))
            .map_err(|_| Refusal::Malformed("The request does not say which host it is for."))?;
        let secret = self.client_secret.clone().map(ClientSecret::new);
        Ok(CoreClient::from_provider_metadata(metadata, ClientId::new(self.client_id.clone()), secret)
            .set_redirect_uri(back))
    }
}

fn verify(
    client: &Client,
    clock: &Clock,
    tokens: &openidconnect::core::CoreTokenResponse,
    secret: &Secret,
) -> Result<SignedIn, Refusal> {
    let token = tokens.id_token().ok_or_else(|| Refusal::UnverifiedToken("no id token".into()))?;
    let now = clock.now();
    let verifier = client
        .id_token_verifier()
        .set_allowed_algs(ALGORITHMS)
        .set_time_fn(move || DateTime::from_timestamp_millis(now.as_millis()).unwrap_or_default());
    let claims = token
        .claims(&verifier, &Nonce::new(secret.derive("nonce")))
        .map_err(|error| Refusal::UnverifiedToken(whole(&error)))?;
    if let Some(told) = claims.access_token_hash() {
        let algorithm = token.signing_alg().map_err(|error| Refusal::UnverifiedToken(whole(&error)))?;
        let key = token.signing_key(&verifier).map_err(|error| Refusal::UnverifiedToken(whole(&error)))?;
        let hash = AccessTokenHash::from_token(tokens.access_token(), algorithm, key);
        if hash.map_err(|error| Refusal::UnverifiedToken(whole(&error)))? != *told {
            return Err(Refusal::UnverifiedToken("the access token is another".into()));
        }
    }
    let email = claims.email().and_then(|email| Email::of_member(email).ok());
    // An address that anybody could have typed is nobody's.
    let email = email.filter(|_| claims.email_verified() == Some(true)).ok_or(Refusal::NoMember)?;
    Ok(SignedIn { email, issuer: claims.issuer().to_string(), subject: claims.subject().to_string() })
}

/// The state that goes with the browser to the issuer and back: who brings it has begun the sign-in.
pub(crate) fn state(secret: &Secret) -> String {
    secret.derive("state")
}

fn verifier(secret: &Secret) -> PkceCodeVerifier {
    // 43 characters, which is what PKCE demands at the least.
    PkceCodeVerifier::new(secret.derive("verifier"))
}

/// An error with all that is behind it: the first alone says little more than that there was one.
fn whole(error: &dyn std::error::Error) -> Cause {
    let behind = std::iter::successors(error.source(), |error| error.source());
    behind.fold(error.to_string(), |text, error| format!("{text}: {error}")).into()
}

/// Made for each use, which is rare: a client that was kept would have its connections frozen with the instance.
fn http() -> Result<reqwest::Client, Refusal> {
    reqwest::Client::builder()
        // The issuer's endpoints are where it says they are.
        .redirect(reqwest::redirect::Policy::none())
        .timeout(TIMEOUT)
        .no_proxy()
        .build()
        .map_err(|error| Refusal::IssuerUnavailable(whole(&error)))
}

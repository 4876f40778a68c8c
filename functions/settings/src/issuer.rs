//! The OpenID issuer that identifies people: OpenID Connect Core 1.0, the authorization code flow with PKCE (RFC 7636). The
//! `openidconnect` crate implements the protocol. This module configures the issuer and decides what to request and accept. It knows no
//! session and no member.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use openidconnect::{
    AccessTokenHash, AdditionalClaims, AdditionalProviderMetadata, AuthorizationCode, ClientId, ClientSecret,
    CsrfToken, EmptyExtraTokenFields, EndpointMaybeSet, EndpointNotSet, EndpointSet, HttpClientError, IdTokenFields,
    IssuerUrl, Nonce, OAuth2TokenResponse, PkceCodeChallenge, PkceCodeVerifier, ProviderMetadata, RedirectUrl,
    RequestTokenError, Scope, StandardErrorResponse, StandardTokenResponse, TokenResponse,
    core::{
        CoreAuthDisplay, CoreAuthPrompt, CoreAuthenticationFlow, CoreClaimName, CoreClaimType, CoreClientAuthMethod,
        CoreErrorResponseType, CoreGenderClaim, CoreGrantType, CoreJsonWebKey, CoreJweContentEncryptionAlgorithm,
        CoreJweKeyManagementAlgorithm, CoreJwsSigningAlgorithm, CoreResponseMode, CoreResponseType, CoreRevocableToken,
        CoreRevocationErrorResponse, CoreSubjectIdentifierType, CoreTokenIntrospectionResponse, CoreTokenType,
    },
    reqwest,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::{
    http::app::{SettingError, optional, required},
    model::{
        clock::{Clock, Timestamp},
        secret::Secret,
        value::Email,
    },
};
use tokio::sync::Mutex;

use crate::{
    error::SettingsError,
    path::{CALLBACK, SIGNED_OUT},
    vendor,
};

/// How long the issuer's metadata is cached. A token that can't be verified, perhaps because of a new key, refreshes it early.
const BELIEVED_MILLIS: i64 = 60 * 60 * 1_000;
/// But no more often than this, since anyone can send a token.
const ASKED_AGAIN_MILLIS: i64 = 60 * 1_000;
/// How long the issuer may take to respond, and to return its metadata and keys together.
const TIMEOUT: Duration = Duration::from_secs(2);
/// How long to wait before calling an issuer that could not be reached: anyone can begin a sign-in, and no one should wait for it each
/// time.
const GIVEN_UP_MILLIS: i64 = 5_000;

/// Microsoft Entra backdates a token by five minutes, to allow for slow clocks.
const MAX_TOKEN_AGE: TimeDelta = TimeDelta::minutes(10);
const MAX_CLOCK_SKEW: TimeDelta = TimeDelta::minutes(5);

/// Longer authorization codes are rejected. The gateway accepts 10 KB of headers and path.
const MAX_CODE_BYTES: usize = 8 * 1024;

/// Signatures that only the issuer can create. HMAC is excluded, because we have its key too.
const ALGORITHMS: [CoreJwsSigningAlgorithm; 6] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

/// An issuer's metadata, with the endpoint that ends a session. An invalid endpoint there does not prevent sign-in.
type Metadata = ProviderMetadata<
    SignOut,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct SignOut {
    end_session_endpoint: Option<Value>,
}

impl AdditionalProviderMetadata for SignOut {}

/// The nonstandard claim of an ID token by which Microsoft Entra vouches for an email.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Vouched {
    xms_edov: Option<Value>,
}

impl AdditionalClaims for Vouched {}

type IdFields = IdTokenFields<
    Vouched,
    EmptyExtraTokenFields,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
>;
type Tokens = StandardTokenResponse<IdFields, CoreTokenType>;
type Client = openidconnect::Client<
    Vouched,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    Tokens,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// An OpenID issuer, and our credentials as its client.
#[derive(Debug)]
pub struct Issuer {
    url: String,
    client_id: String,
    client_secret: Option<String>,
    known: Mutex<Known>,
}

/// What is cached about the issuer, and since when.
#[derive(Debug, Default)]
struct Known {
    metadata: Option<(Metadata, Timestamp)>,
    /// Why the last call failed.
    failure: Option<(String, Timestamp)>,
}

/// Who has signed in, according to the issuer.
#[derive(Debug)]
pub(crate) struct SignedIn {
    pub(crate) email: Email,
    pub(crate) issuer: String,
    pub(crate) subject: String,
}

impl Issuer {
    /// The issuer at `url` (exactly as in its tokens), which knows us as the client `client_id`.
    #[must_use]
    pub fn new(url: &str, client_id: &str, client_secret: Option<String>) -> Self {
        Self { url: url.to_owned(), client_id: client_id.to_owned(), client_secret, known: Mutex::default() }
    }

    /// Configures the issuer from the environment: `OIDC_ISSUER`, `OIDC_CLIENT_ID` and, optionally, `OIDC_CLIENT_SECRET`.
    pub fn from_env() -> Result<Self, SettingError> {
        Ok(Self::new(&required("OIDC_ISSUER")?, &required("OIDC_CLIENT_ID")?, optional("OIDC_CLIENT_SECRET")))
    }

    /// The URL at which the browser signs in. The browser keeps `secret` meanwhile. State, nonce and verifier are derived from it, so we
    /// don't have to store anything about a sign-in that is never finished.
    pub(crate) async fn sign_in_url(
        &self,
        clock: &Clock,
        origin: &str,
        secret: &Secret,
    ) -> Result<String, SettingsError> {
        let client = self.client(clock, origin, false).await?;
        let challenge = PkceCodeChallenge::from_code_verifier_sha256(&verifier(secret));
        let (state, nonce) = (CsrfToken::new(state(secret)), Nonce::new(secret.derive("nonce")));
        let request = client.authorize_url(CoreAuthenticationFlow::AuthorizationCode, || state, || nonce);
        let (url, ..) = request.add_scope(Scope::new("email".to_owned())).set_pkce_challenge(challenge).url();
        Ok(url.into())
    }

    /// Exchanges the code for the person's identity, and verifies the ID token: signature, issuer, audience, authorized party, time, nonce.
    pub(crate) async fn signed_in(
        &self,
        clock: &Clock,
        origin: &str,
        secret: &Secret,
        code: String,
    ) -> Result<SignedIn, SettingsError> {
        // An authorization code has only printable characters (RFC 6749, appendix A.11). Don't call the issuer with anything else.
        if code.len() > MAX_CODE_BYTES || !code.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            return Err(SettingsError::CodeRefused("malformed"));
        }
        let client = self.client(clock, origin, false).await?;
        let tokens = self.exchanged(&client, clock, secret, code).await?;
        let verified = verify(&client, clock, &tokens, secret);
        // The issuer may have a new key.
        match verified {
            Err(SettingsError::UnverifiedToken(_)) => {
                verify(&self.client(clock, origin, true).await?, clock, &tokens, secret)
            }
            verified => verified,
        }
    }

    /// Exchanges the code at the token endpoint.
    async fn exchanged(
        &self,
        client: &Client,
        clock: &Clock,
        secret: &Secret,
        code: String,
    ) -> Result<Tokens, SettingsError> {
        let unavailable = |error: &dyn std::error::Error| SettingsError::IssuerUnavailable(whole(error).into());
        let http = http().map_err(|error| unavailable(&error))?;
        let exchange = client
            .exchange_code(AuthorizationCode::new(code))
            .map_err(|error| unavailable(&error))?
            .set_pkce_verifier(verifier(secret));
        let error = match exchange.request_async(&http).await {
            Ok(tokens) => return Ok(tokens),
            Err(error) => error,
        };
        Err(match &error {
            RequestTokenError::ServerResponse(refused) => match refused.error() {
                // The code is at fault: already used, too old, or not the issuer's. Any browser can send one.
                CoreErrorResponseType::InvalidGrant => SettingsError::CodeRefused("invalid_grant"),
                CoreErrorResponseType::InvalidRequest => SettingsError::CodeRefused("invalid_request"),
                // Any other error concerns us as a client.
                error => SettingsError::IssuerUnavailable(format!("the token endpoint answered {error}").into()),
            },
            RequestTokenError::Parse(..) => SettingsError::UnverifiedToken("the tokens can't be read".into()),
            RequestTokenError::Request(HttpClientError::Reqwest(slow)) if slow.is_timeout() => {
                self.known.lock().await.failure = Some((whole(slow), clock.now()));
                unavailable(&error)
            }
            _ => unavailable(&error),
        })
    }

    /// The URL at which the browser ends its session at the issuer, before it returns here. `None`: the issuer names no such endpoint.
    pub(crate) async fn sign_out_url(&self, clock: &Clock, origin: &str) -> Result<Option<String>, SettingsError> {
        let metadata = self.metadata(clock, false).await?;
        let end_session = metadata.additional_metadata().end_session_endpoint.as_ref().and_then(Value::as_str);
        let authorization = metadata.authorization_endpoint().url();
        let back = format!("{origin}{SIGNED_OUT}");
        let url = vendor::sign_out_url(&self.url, authorization, end_session, &self.client_id, &back);
        Ok(url.map(String::from))
    }

    /// A client for the issuer, from its metadata. `again`: the cached metadata may be out of date.
    async fn client(&self, clock: &Clock, origin: &str, again: bool) -> Result<Client, SettingsError> {
        let metadata = self.metadata(clock, again).await?;
        let back = RedirectUrl::new(format!("{origin}{CALLBACK}"))
            .map_err(|_| SettingsError::Malformed("The request does not say which host it is for."))?;
        let secret = self.client_secret.clone().map(ClientSecret::new);
        let client = Client::from_provider_metadata(metadata, ClientId::new(self.client_id.clone()), secret);
        Ok(client.set_redirect_uri(back))
    }

    /// The issuer's metadata. `again`: the cached metadata may be out of date.
    async fn metadata(&self, clock: &Clock, again: bool) -> Result<Metadata, SettingsError> {
        let mut known = self.known.lock().await;
        let now = clock.now();
        let is_within = |at: Timestamp, limit| (0..limit).contains(&(now.as_millis() - at.as_millis()));
        if let Some((why, _)) = known.failure.as_ref().filter(|(_, at)| is_within(*at, GIVEN_UP_MILLIS)) {
            return Err(SettingsError::IssuerUnavailable(format!("not asked again yet: {why}").into()));
        }
        let limit = if again { ASKED_AGAIN_MILLIS } else { BELIEVED_MILLIS };
        if let Some((metadata, _)) = known.metadata.as_ref().filter(|(_, asked)| is_within(*asked, limit)) {
            return Ok(metadata.clone());
        }
        match tokio::time::timeout(TIMEOUT, self.discovered()).await {
            Ok(Ok(metadata)) => {
                *known = Known { metadata: Some((metadata.clone(), now)), failure: None };
                Ok(metadata)
            }
            failed => {
                let why = failed.map_or_else(|late| late.to_string(), |error| error.err().unwrap_or_default());
                known.failure = Some((why.clone(), clock.now()));
                Err(SettingsError::IssuerUnavailable(why.into()))
            }
        }
    }

    /// Requests the metadata and keys from the issuer.
    async fn discovered(&self) -> Result<Metadata, String> {
        let url = IssuerUrl::new(self.url.clone()).map_err(|error| whole(&error))?;
        let http = http().map_err(|error| whole(&error))?;
        Metadata::discover_async(url, &http).await.map_err(|error| whole(&error))
    }
}

fn verify(client: &Client, clock: &Clock, tokens: &Tokens, secret: &Secret) -> Result<SignedIn, SettingsError> {
    let unverified = |error: &dyn std::error::Error| SettingsError::UnverifiedToken(whole(error).into());
    let token = tokens.id_token().ok_or_else(|| SettingsError::UnverifiedToken("no id token".into()))?;
    let now = DateTime::from_timestamp_millis(clock.now().as_millis()).unwrap_or_default();
    let verifier = client
        .id_token_verifier()
        .set_allowed_algs(ALGORITHMS)
        .set_time_fn(move || now)
        .set_issue_time_verifier_fn(move |issued| check_issued(issued, now));
    let claims = token.claims(&verifier, &Nonce::new(secret.derive("nonce"))).map_err(|error| unverified(&error))?;
    // Check the client that the token was issued to, if it names one (OpenID Connect Core 1.0, section 3.1.3.7). The crate does not.
    if claims.authorized_party().is_some_and(|party| *party != *client.client_id()) {
        return Err(SettingsError::UnverifiedToken("the token was issued to another client".into()));
    }
    if let Some(told) = claims.access_token_hash() {
        let algorithm = token.signing_alg().map_err(|error| unverified(&error))?;
        let key = token.signing_key(&verifier).map_err(|error| unverified(&error))?;
        let hash = AccessTokenHash::from_token(tokens.access_token(), algorithm, key);
        if hash.map_err(|error| unverified(&error))? != *told {
            return Err(SettingsError::UnverifiedToken("the access token is another".into()));
        }
    }
    // Don't trust an unverified address: anyone could have typed it.
    let edov = claims.additional_claims().xms_edov.as_ref();
    if !vendor::is_email_verified(claims.issuer(), claims.email_verified(), edov) {
        return Err(SettingsError::NoMember);
    }
    let email = claims.email().and_then(|email| Email::of_member(email).ok()).ok_or(SettingsError::NoMember)?;
    Ok(SignedIn { email, issuer: claims.issuer().to_string(), subject: claims.subject().to_string() })
}

/// A token is fetched as soon as it is issued. If it was issued much earlier or later, it is a different token, or the issuer's clock is
/// so wrong that we can't trust the expiry either.
fn check_issued(issued: DateTime<Utc>, now: DateTime<Utc>) -> Result<(), String> {
    let age = now.signed_duration_since(issued);
    if age > MAX_TOKEN_AGE {
        Err(format!("issued {} s ago", age.num_seconds()))
    } else if age < -MAX_CLOCK_SKEW {
        Err(format!("issued {} s from now", -age.num_seconds()))
    } else {
        Ok(())
    }
}

/// The state that the browser takes to the issuer and back. It proves that this browser began the sign-in.
pub(crate) fn state(secret: &Secret) -> String {
    secret.derive("state")
}

fn verifier(secret: &Secret) -> PkceCodeVerifier {
    // 43 characters, the minimum for PKCE.
    PkceCodeVerifier::new(secret.derive("verifier"))
}

/// An error with all its causes, because the outermost says little by itself.
fn whole(error: &dyn std::error::Error) -> String {
    let behind = std::iter::successors(error.source(), |error| error.source());
    behind.fold(error.to_string(), |text, error| format!("{text}: {error}"))
}

/// Created for each use, which is rare. If we kept a client, its connections would be frozen with the instance.
fn http() -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder()
        // Don't follow redirects: the issuer's endpoints are where its metadata says.
        .redirect(reqwest::redirect::Policy::none())
        .timeout(TIMEOUT)
        .no_proxy()
        .build()
}

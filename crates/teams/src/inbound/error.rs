//! Why an activity was not taken.

/// One variant per cause. The texts say what was wrong in general and repeat nothing of what came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum InboundError {
    /// No `Authorization` header.
    #[error("no Authorization header")]
    AuthorizationMissing,
    /// Not `Bearer` and one token.
    #[error("the Authorization header is not a bearer token")]
    AuthorizationMalformed,
    /// Not three parts of base64url JSON, or too long.
    #[error("the token is malformed")]
    TokenMalformed,
    /// Issued by someone else than this cloud's Bot Framework.
    #[error("the token is of another issuer")]
    Issuer,
    /// None of RS256, RS384, RS512.
    #[error("the token's algorithm is not accepted")]
    Algorithm,
    /// The keys do not hold the one that signed.
    #[error("the token's key is not known")]
    UnknownKey,
    /// No keys could be fetched: Microsoft should send it again.
    #[error("the keys cannot be fetched now")]
    KeysUnavailable,
    /// The signature does not match.
    #[error("the token's signature is wrong")]
    Signature,
    /// `exp` is missing or past.
    #[error("the token has expired")]
    Expired,
    /// `nbf` is in the future.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// For none of our apps.
    #[error("the token is for another audience")]
    Audience,
    /// The key is not endorsed for Teams.
    #[error("the token's key is not endorsed for this channel")]
    Endorsement,
    /// The body is no activity.
    #[error("the body is not an activity")]
    Body,
    /// The body nests deeper than any activity does.
    #[error("the body nests too deeply")]
    BodyTooDeep,
    /// Another channel than Teams: its clients choose what is in the body themselves.
    #[error("the activity is of another channel")]
    Channel,
    /// Addressed to another bot than the token.
    #[error("the activity is addressed to another bot")]
    Recipient,
    /// The token names no service URL.
    #[error("the token names no service URL")]
    ServiceUrlClaimMissing,
    /// The activity names no service URL.
    #[error("the activity names no service URL")]
    ServiceUrlMissing,
    /// The two differ.
    #[error("the token is for another service URL")]
    ServiceUrlMismatch,
    /// Not on one of the cloud's hosts.
    #[error("the service URL is not on one of this cloud's hosts")]
    ServiceUrlNotAllowed,
    /// The activity names no tenant.
    #[error("the activity names no tenant")]
    TenantMissing,
    /// The activity names two tenants.
    #[error("the activity names two tenants")]
    TenantMismatch,
    /// The tenant is not among the allowed ones.
    #[error("the tenant is not allowed")]
    TenantNotAllowed,
}

impl InboundError {
    /// The HTTP status to answer: 401 for the token, 403 for what a good token may not do, 400 for a body that is no
    /// activity, 503 (and Microsoft sends it again) while there are no keys.
    pub fn status(self) -> u16 {
        match self {
            Self::AuthorizationMissing
            | Self::AuthorizationMalformed
            | Self::TokenMalformed
            | Self::Issuer
            | Self::Algorithm
            | Self::UnknownKey
            | Self::Signature
            | Self::Expired
            | Self::NotYetValid
            | Self::Audience
            | Self::Endorsement
            | Self::ServiceUrlClaimMissing
            | Self::ServiceUrlMismatch => 401,
            Self::Channel
            | Self::Recipient
            | Self::ServiceUrlMissing
            | Self::ServiceUrlNotAllowed
            | Self::TenantMissing
            | Self::TenantMismatch
            | Self::TenantNotAllowed => 403,
            Self::Body | Self::BodyTooDeep => 400,
            Self::KeysUnavailable => 503,
        }
    }
}

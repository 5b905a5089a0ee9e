use nuncio_api::Problem;

/// Why an operation did not give an answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The base URL or the secret cannot be used.
    #[error("{0}")]
    Setup(String),
    /// No answer, or not all of it. Whether the server acted is not known; a message sent with an idempotency key can
    /// be sent again.
    #[error("no answer from {url}: {cause}")]
    Unreachable {
        /// The server's address.
        url: String,
        /// What happened.
        cause: String,
        /// What to do about it.
        hint: &'static str,
    },
    /// The server refused, and says why.
    #[error("{0}")]
    Problem(Box<Problem>),
    /// An answer that is not Nuncio's: another server or a proxy in between, or a version that does not fit.
    #[error("unexpected answer {status}: {detail}")]
    Unexpected {
        /// The HTTP status.
        status: u16,
        /// What was wrong with it.
        detail: String,
    },
    /// What was read could not be written.
    #[error("could not write the report")]
    Write(#[source] std::io::Error),
}

impl ClientError {
    /// What to do about it, where something can be said.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Setup(_) | Self::Write(_) => None,
            Self::Unreachable { hint, .. } => Some((*hint).to_owned()),
            Self::Problem(problem) => {
                nuncio_api::Code::of_word(&problem.code).map(|code| code.help().to_owned())
            }
            Self::Unexpected { .. } => Some(
                "Check that the address is a Nuncio server's and that no proxy answers in its place."
                    .to_owned(),
            ),
        }
    }
}

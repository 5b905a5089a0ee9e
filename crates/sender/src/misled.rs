//! Calls that went to a service URL where the person, or the whole tenant, is not (any more), and where they are made
//! instead (`docs/delivery.md`, Outcomes and Reachability).

use nuncio_domain::people::Lane;
use nuncio_teams::classify::Refusal;
use nuncio_teams::cloud::ServiceUrl;
use nuncio_teams::connector::{CallError, Reply};

use crate::connector_sender::AppConnector;

/// How a call was misled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Misled {
    /// `InvalidBotApiHost`: the tenant is on another host, which the text names.
    Host(String),
    /// The person is in another region than the service URL.
    Region,
    /// Nobody can be reached there.
    Nobody,
}

impl Misled {
    pub(crate) fn by(result: &Result<Reply, CallError>) -> Option<Self> {
        match result {
            Err(CallError::Refused(refused)) => match refused.refusal {
                Refusal::InvalidBotApiHost => Some(Self::Host(refused.text.clone())),
                Refusal::OtherRegion => Some(Self::Region),
                _ => None,
            },
            Err(CallError::NotSent { .. }) => Some(Self::Nobody),
            _ => None,
        }
    }

    /// Where the call is made instead of `used`, if there is another place.
    pub(crate) fn elsewhere(&self, app: &AppConnector, lane: &Lane, used: &ServiceUrl) -> Option<ServiceUrl> {
        let another = |url: Option<&str>| {
            let url = app.endpoints.check_service_url(url?).ok()?;
            (url != *used).then_some(url)
        };
        // One tenant has one service URL, so what was seen last is where all of them are (protocol section 1).
        let newest = || another(lane.service_url.as_deref());
        match self {
            Self::Host(text) => app.endpoints.moved(used, text),
            // The cloud's own is in no region.
            Self::Region => another(app.endpoints.service_url()).or_else(newest),
            Self::Nobody => newest(),
        }
    }

    /// Whether everybody else of the tenant is to be called there too.
    pub(crate) fn concerns_the_tenant(&self) -> bool {
        *self != Self::Region
    }

    pub(crate) fn words(&self) -> &'static str {
        match self {
            Self::Host(_) => "this tenant is on another host",
            Self::Region => "this person is in another region",
            Self::Nobody => "nobody is reached there; called at the tenant's newest service URL",
        }
    }
}

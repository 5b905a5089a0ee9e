//! The [`Sender`] that speaks to Microsoft's Connector (or to the simulator).

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use nuncio_domain::message::Body;
use nuncio_domain::outcome::{Answer, LaneCause, LaneCauseKind, Operation, Outcome};
use nuncio_domain::people::RecipientKind;
use nuncio_domain::ports::{Call, Sender};
use nuncio_teams::cloud::{Endpoints, ServiceUrl};
use nuncio_teams::connector::{CallError, Connector, CreatePersonal, CreateThread, Reply};
use nuncio_teams::schema::{MessageContent, OutboundActivity};

use crate::hosts::Hosts;
use crate::marked;
use crate::misled::Misled;
use crate::outcome::{GatewayErrors, accepted, not_accepted};

/// What is needed to speak for one app.
#[derive(Debug, Clone)]
pub struct AppConnector {
    pub app_id: String,
    pub endpoints: Endpoints,
    pub connector: Connector,
    pub gateway_errors: GatewayErrors,
}

/// Of service URLs, which are a handful for each app, so many are remembered as checked.
const MOST_CHECKED: usize = 1_000;

/// Makes the calls of all apps of this process.
#[derive(Debug)]
pub struct ConnectorSender {
    apps: HashMap<String, AppConnector>,
    hosts: Hosts,
    /// Service URLs as stored, by the app that they were checked for. What an app's cloud allows never changes.
    checked: Mutex<HashMap<String, HashMap<String, ServiceUrl>>>,
}

impl ConnectorSender {
    /// By the names of the apps in the configuration.
    pub fn new(apps: HashMap<String, AppConnector>) -> Self {
        Self { apps, hosts: Hosts::default(), checked: Mutex::default() }
    }

    fn service_url(&self, app: &AppConnector, call: &Call) -> Result<ServiceUrl, String> {
        let known = call
            .row
            .reference
            .as_ref()
            .map(|reference| reference.service_url.as_str())
            .filter(|url| !url.is_empty())
            .or(call.lane.service_url.as_deref())
            .or(app.endpoints.service_url());
        let Some(known) = known else {
            return Err(
                "no service URL is known for this tenant: one comes with the first activity that Teams sends"
                    .to_owned(),
            );
        };
        // No code of ours panics while holding it.
        let checked = || self.checked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(url) = checked().get(&call.lane.app).and_then(|of_app| of_app.get(known)) {
            return Ok(url.clone());
        }
        // Whatever was stored, no request and no token leaves the hosts of the app's cloud.
        let url = app.endpoints.check_service_url(known).map_err(|error| {
            format!("the stored service URL is not one of the app's cloud and is not called: {error}")
        })?;
        let mut checked = checked();
        let of_app = checked.entry(call.lane.app.clone()).or_default();
        if of_app.len() < MOST_CHECKED {
            of_app.insert(known.to_owned(), url.clone());
        }
        Ok(url)
    }
}

fn waits(text: impl Into<String>) -> Answer {
    let text = text.into();
    let cause = LaneCause { kind: LaneCauseKind::NotAuthorized, text: text.clone(), retry_after: None };
    Answer::bare(Outcome::LaneWaits(cause), text)
}

#[async_trait]
impl Sender for ConnectorSender {
    async fn call(&self, call: Call) -> Answer {
        let Some(app) = self.apps.get(&call.lane.app) else {
            return waits(format!("app {} is not in the configuration any more", call.lane.app));
        };
        let known = match self.service_url(app, &call) {
            Ok(service_url) => service_url,
            Err(problem) => return waits(problem),
        };
        let mut service_url = self.hosts.instead_of(&call.lane, &known);
        let mut result = make(app, &service_url, &call).await;
        // What was refused or never sent made no message, so the same call can be made once more, elsewhere.
        if let Some(misled) = Misled::by(&result) {
            let elsewhere = misled.elsewhere(app, &call.lane, &service_url);
            match elsewhere.filter(|_| service_url == known) {
                Some(moved) => {
                    tracing::warn!(app = call.lane.app, tenant = call.lane.tenant, from = %service_url, to = %moved,
                        "{}", misled.words());
                    let for_all = misled.concerns_the_tenant();
                    service_url = moved;
                    result = make(app, &service_url, &call).await;
                    if for_all && Misled::by(&result).is_none() {
                        self.hosts.moved(&call.lane, &known, service_url.clone());
                    }
                }
                // It moved back, perhaps: the next call begins with what is known again.
                None => self.hosts.forget(&call.lane, &known),
            }
        }
        match result {
            Ok(reply) => accepted(call.operation, reply, service_url.as_str()),
            Err(error) => not_accepted(call.operation, error, app.gateway_errors),
        }
    }
}

async fn make(app: &AppConnector, service_url: &ServiceUrl, call: &Call) -> Result<Reply, CallError> {
    match call.operation {
        Operation::Create => create(app, service_url, call).await,
        Operation::NewThread => new_thread(app, service_url, call).await,
        Operation::Send => send(app, service_url, call).await,
        Operation::Install | Operation::FindChat | Operation::AskInstalled => {
            Err(CallError::NotSent { cause: "this is a call of Graph, not of the Connector".to_owned() })
        }
    }
}

async fn create(app: &AppConnector, service_url: &ServiceUrl, call: &Call) -> Result<Reply, CallError> {
    let create = CreatePersonal {
        bot_id: app.app_id.clone(),
        bot_name: None,
        member_id: call.row.mri.clone().unwrap_or_else(|| call.row.address.clone()),
        tenant_id: call.lane.tenant.clone(),
    };
    app.connector.create_personal(service_url, &create).await
}

async fn new_thread(app: &AppConnector, service_url: &ServiceUrl, call: &Call) -> Result<Reply, CallError> {
    let create = CreateThread {
        bot_id: app.app_id.clone(),
        channel_id: call.row.address.clone(),
        team_id: None,
        tenant_id: call.lane.tenant.clone(),
        activity: activity(call),
    };
    app.connector.create_thread(service_url, &create).await
}

async fn send(app: &AppConnector, service_url: &ServiceUrl, call: &Call) -> Result<Reply, CallError> {
    // What is known of a channel says where it is, not which of its threads is meant.
    let known = call.row.reference.as_ref().filter(|_| !call.row.is_reply());
    let conversation_id =
        known.map_or(call.row.address.as_str(), |reference| reference.conversation_id.as_str());
    let activity = activity(call).in_conversation(conversation_id, &call.lane.tenant);
    app.connector.send(service_url, conversation_id, &activity).await
}

fn activity(call: &Call) -> OutboundActivity {
    let spoken = call.content.wire(call.row.key, |content| {
        let summary = content.summary.as_deref();
        match &content.body {
            Body::Text(text) => vec![MessageContent::text(text, summary).as_json().into()],
            Body::Card(card) => marked::parts(MessageContent::card(&marked::marked(card), summary).as_json()),
        }
    });
    let activity = OutboundActivity::new(MessageContent::stored(spoken));
    match call.row.kind {
        RecipientKind::Person => activity.to_person(&call.row.address),
        RecipientKind::Channel | RecipientKind::Chat | RecipientKind::Team => activity,
    }
}

//! The state of the simulation: one mutex, held briefly.

use std::{
    collections::HashMap,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicU64},
};

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::{
    clock::{Clock, Micros},
    cloud::Cloud,
    connector::{attachments::Attachments, auth::TokenCache, batch::Batches},
    counts::Counts,
    entra::credentials::Credentials,
    events::EventStats,
    faults::{Faults, Release, Which},
    graph::{self, catalog::CatalogApp, limits::GraphLimits},
    ids::Sealer,
    journal::Journal,
    limits::{Limits, Rules, Thread},
    marks::Marks,
    messages::Messages,
    org::{Description, Org, Place, Problem},
    outage::Outage,
    random::Rng,
    rotation::Rotation,
    settings::{Latency, Settings},
    signing::Keys,
    switches::ChatDeletedCreate,
    told::Told,
};

/// Which tenants a bot's tokens may come from (protocol section 2.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum BotKind {
    /// Its own tenant or `botframework.com`.
    #[default]
    Any,
    /// Its own tenant; a token from `botframework.com` is given out but refused by the Connector.
    SingleTenant,
    /// `botframework.com`; a token from its own tenant is refused by the Connector.
    MultiTenant,
}

pub(crate) struct Bot {
    pub(crate) app_id: String,
    pub(crate) name: String,
    pub(crate) credentials: Credentials,
    pub(crate) cloud: Cloud,
    /// What it is told as `serviceUrl`, if not this server's own.
    pub(crate) service_url: Option<String>,
    pub(crate) tenant_id: String,
    pub(crate) kind: BotKind,
    pub(crate) endpoint: Option<String>,
    /// Manifest `supportsSessions`: each 1:1 create makes a new session (protocol section 5.1).
    pub(crate) supports_sessions: bool,
    /// Resource-specific consent that its app was given, by the names of Microsoft's manifest.
    pub(crate) permissions: Vec<String>,
    /// App roles of Graph that an administrator of the organisation consented to.
    pub(crate) graph_roles: Vec<String>,
    /// Its Teams app.
    pub(crate) catalog: CatalogApp,
    /// The registration was deleted: tokens that it holds get 401 `BotNotRegistered`.
    pub(crate) deleted: bool,
}

/// Every message of a channel reaches the bot, not only those that mention it (protocol section 4.5).
pub(crate) const READS_ALL_CHANNELS: &str = "ChannelMessage.Read.Group";
/// The same in group chats.
pub(crate) const READS_ALL_CHATS: &str = "ChatMessage.Read.Chat";
/// Read receipts in 1:1 chats (protocol section 4.6).
pub(crate) const READ_RECEIPTS: &str = "ChatMessageReadReceipt.Read.Chat";
/// The beginning and end of meetings.
pub(crate) const HEARS_MEETINGS: &str = "OnlineMeeting.ReadBasic.Chat";
/// Who enters and leaves them.
pub(crate) const HEARS_PARTICIPANTS: &str = "OnlineMeetingParticipant.Read.Chat";
/// The permissions that make a difference here.
pub(crate) const PERMISSIONS: [&str; 5] =
    [READS_ALL_CHANNELS, READS_ALL_CHATS, READ_RECEIPTS, HEARS_MEETINGS, HEARS_PARTICIPANTS];

impl Bot {
    pub(crate) fn may(&self, permission: &str) -> bool {
        self.permissions.iter().any(|given| given == permission)
    }

    /// Without the secret.
    pub(crate) fn show(&self) -> Value {
        let mut shown = self.credentials.show();
        let about = json!({
            "app_id": self.app_id, "name": self.name, "tenant_id": self.tenant_id, "kind": self.kind,
            "cloud": self.cloud, "service_url": self.service_url, "endpoint": self.endpoint,
            "supports_sessions": self.supports_sessions, "permissions": self.permissions,
            "graph_roles": self.graph_roles, "manifest_id": self.catalog.manifest_id,
            "teams_app_id": self.catalog.id(), "catalog": self.catalog.place,
        });
        if let (Some(shown), Value::Object(about)) = (shown.as_object_mut(), about) {
            shown.extend(about);
        }
        shown
    }

    /// Who signs the tokens with which its managed identity stands for a secret.
    pub(crate) fn exchange_issuer(&self) -> String {
        format!("https://{}/{}/v2.0", self.cloud.login_host(), self.tenant_id)
    }

    /// Where it is told to call.
    pub(crate) fn service_url<'a>(&'a self, shared: &'a Shared) -> &'a str {
        self.service_url.as_deref().unwrap_or(&shared.service_url)
    }
}

pub(crate) struct World {
    pub(crate) settings: Settings,
    pub(crate) bots: Vec<Bot>,
    pub(crate) org: Org,
    /// How many sessions a bot made with a person.
    pub(crate) sessions: HashMap<(u16, u32), u32>,
    pub(crate) batches: Batches,
    pub(crate) attachments: Attachments,
    pub(crate) limits: Limits,
    pub(crate) graph_limits: GraphLimits,
    pub(crate) faults: Faults,
    pub(crate) outage: Outage,
    pub(crate) messages: Messages,
    pub(crate) marks: Marks,
    pub(crate) counts: Counts,
    pub(crate) journal: Journal,
    pub(crate) events: EventStats,
    pub(crate) told: Told,
    pub(crate) rng: Rng,
    /// Ends the event jobs of this organisation at a reset.
    pub(crate) era: CancellationToken,
}

/// Adds a bot, or puts it in the place of the one with its app id; whether it is new, or `None` if there are too many.
pub(crate) fn register_in(bots: &mut Vec<Bot>, bot: Bot) -> Option<bool> {
    match place_of(bots, &bot.app_id) {
        Some(at) => {
            bots[at] = bot;
            Some(false)
        }
        None if bots.len() >= usize::from(u16::MAX) => None,
        None => {
            bots.push(bot);
            Some(true)
        }
    }
}

fn place_of(bots: &[Bot], app_id: &str) -> Option<usize> {
    bots.iter().position(|bot| bot.app_id.eq_ignore_ascii_case(app_id))
}

impl World {
    fn empty(org: Org, settings: Settings, stop: &CancellationToken) -> Self {
        Self {
            settings,
            bots: Vec::new(),
            sessions: HashMap::new(),
            batches: Batches::new(),
            attachments: Attachments::new(),
            limits: Limits::default(),
            graph_limits: GraphLimits::default(),
            faults: Faults::default(),
            outage: Outage::default(),
            messages: Messages::default(),
            marks: Marks::default(),
            counts: Counts::default(),
            journal: Journal::default(),
            events: EventStats::default(),
            told: Told::default(),
            // Another stream than the people's, so that latency does not repeat them.
            rng: Rng::new(org.seed ^ 0x5eed_0fc4_a7ce),
            org,
            era: stop.child_token(),
        }
    }

    /// Another organisation; everything counted so far, messages and faults are gone. Bots and settings stay where the
    /// description does not change them. If it cannot be, nothing is changed.
    pub(crate) fn reset(
        &mut self,
        description: &Description,
        tenant_id: &str,
        stop: &CancellationToken,
    ) -> Result<(), Problem> {
        let mut added: Vec<Bot> = Vec::new();
        for (at, order) in description.bot.iter().enumerate() {
            let path = format!("bot[{at}]");
            let bot = order.clone().bot(tenant_id).map_err(|text| Problem::new(&path, text))?;
            if place_of(&added, &bot.app_id).is_some() {
                return Err(Problem::new(format!("{path}.app_id"), "another bot has this app id too"));
            }
            added.push(bot);
        }
        let mut app_ids: Vec<String> = self.bots.iter().map(|bot| bot.app_id.clone()).collect();
        app_ids
            .extend(added.iter().filter(|bot| self.bot(&bot.app_id).is_none()).map(|bot| bot.app_id.clone()));
        let find = |app_id: &str| {
            app_ids.iter().position(|known| known.eq_ignore_ascii_case(app_id)).map(|at| at as u16)
        };
        let org = Org::described(description, &find)?;
        let settings = self
            .settings
            .patched(&Value::Object(description.settings.clone()))
            .map_err(|text| Problem::new("settings", text))?;
        for (at, fault) in description.fault.iter().enumerate() {
            fault.check().map_err(|text| Problem::new(format!("fault[{at}]"), text))?;
        }
        if app_ids.len() > usize::from(u16::MAX) {
            return Err(Problem::new("bot", "too many bots"));
        }

        self.era.cancel();
        self.faults.release(&Which::default(), Release::GoOn);
        let bots = std::mem::take(&mut self.bots);
        *self = Self { bots, ..Self::empty(org, settings, stop) };
        for bot in added {
            register_in(&mut self.bots, bot);
        }
        for fault in &description.fault {
            self.faults.add(fault.clone());
        }
        Ok(())
    }

    pub(crate) fn bot(&self, app_id: &str) -> Option<(u16, &Bot)> {
        let at = place_of(&self.bots, app_id)?;
        Some((at as u16, &self.bots[at]))
    }

    /// That of all bots, if they have the same: for who asks under a name that is not Microsoft's.
    pub(crate) fn cloud(&self) -> Cloud {
        let mut clouds = self.bots.iter().filter(|bot| !bot.deleted).map(|bot| bot.cloud);
        let first = clouds.next().unwrap_or_default();
        if clouds.all(|cloud| cloud == first) { first } else { Cloud::default() }
    }

    pub(crate) fn sealer(&self, app: u16) -> Sealer<'_> {
        Sealer { app_id: &self.bots[usize::from(app)].app_id, seed: self.org.seed }
    }

    /// The chat of a person with a bot as it is called now.
    pub(crate) fn chat_id(&self, app: u16, person: u32) -> String {
        let generation = self.org.person(person).map_or(0, |person| person.chat);
        self.sealer(app).chat(person, generation)
    }

    /// A person's chat is made or looked for: one that was deleted or lost is there again (protocol section 10).
    pub(crate) fn renew_chat(&mut self, person: u32) {
        let same = self.settings.chat_deleted_create == ChatDeletedCreate::Same;
        if let Some(known) = self.org.person_mut(person) {
            known.chat_lost = false;
            if known.chat_gone {
                known.chat += u32::from(!same);
                known.chat_gone = false;
            }
        }
    }

    /// Whether a send into a good conversation is told that there is none (protocol section 10).
    pub(crate) fn spurious_404(&mut self, thread: Thread) -> bool {
        let Settings { spurious_404_share, spurious_404_lasting, .. } = self.settings;
        let mut person = match thread {
            Thread::Person(person) => self.org.person_mut(person),
            Thread::Channel { .. } | Thread::Chat(_) => None,
        };
        let lost = person.as_ref().is_some_and(|person| person.chat_lost);
        if !lost && (spurious_404_share == 0.0 || self.rng.unit() >= spurious_404_share) {
            return false;
        }
        let lasts = person.is_some() && (lost || self.rng.unit() < spurious_404_lasting);
        if let Some(person) = person.as_mut() {
            person.chat_lost = lasts;
        }
        *(if lasts { &mut self.counts.spurious_lasting } else { &mut self.counts.spurious_passing }) += 1;
        true
    }

    pub(crate) fn rules(&mut self, now: Micros) -> Rules {
        Rules {
            per_second: self.outage.limit(now, self.settings.limits_per_s),
            window: self.settings.window,
            scale: self.settings.scale,
        }
    }

    /// What a conversation id means to a bot.
    pub(crate) fn conversation(&self, app: u16, id: &str) -> Option<Conversation> {
        if let Some((person, generation)) = self.sealer(app).open_chat(id) {
            let known = self.org.person(person)?;
            let alive = generation == known.chat && !known.chat_gone;
            return Some(Conversation { thread: Thread::Person(person), root: None, session: None, alive });
        }
        if let Some((person, session)) = self.sealer(app).open_session(id) {
            let alive = session <= *self.sessions.get(&(app, person))?;
            let session = Some(session);
            return Some(Conversation { thread: Thread::Person(person), root: None, session, alive });
        }
        // Graph's name of a 1:1 chat (protocol section 4.0).
        if let Some(inner) = id.strip_prefix("19:").and_then(|rest| rest.strip_suffix("@unq.gbl.spaces")) {
            let (app_id, object_id) = inner.split_once('_')?;
            if !app_id.eq_ignore_ascii_case(&self.bots[usize::from(app)].app_id) {
                return None;
            }
            let person = self.org.by_object_id(&object_id.parse().ok()?)?;
            let alive = !self.org.person(person)?.chat_gone;
            return Some(Conversation { thread: Thread::Person(person), root: None, session: None, alive });
        }
        let (base, root) = match id.split_once(";messageid=") {
            Some((base, root)) => (base, Some(root.to_owned())),
            None => (id, None),
        };
        let thread = match self.org.channel(base) {
            Some((team, channel)) => Thread::Channel { team, channel },
            None => Thread::Chat(self.org.chat(base)?),
        };
        Some(Conversation { thread, root, session: None, alive: self.org.place(thread) != Place::Gone })
    }
}

pub(crate) struct Conversation {
    pub(crate) thread: Thread,
    /// The message whose thread is meant, in a channel.
    pub(crate) root: Option<String>,
    /// Which session of the person is meant; without, the default one.
    pub(crate) session: Option<u32>,
    /// False for a chat that its person deleted, and for a deleted channel or team.
    pub(crate) alive: bool,
}

/// What every task of the simulator shares.
pub(crate) struct Shared {
    pub(crate) base: String,
    pub(crate) tls: Option<TlsPort>,
    pub(crate) service_url: String,
    pub(crate) tenant_id: String,
    pub(crate) control_key: Option<String>,
    /// What App Service gives its apps as `IDENTITY_HEADER` (protocol section 2.4).
    pub(crate) identity_header: String,
    pub(crate) keys: Arc<Keys>,
    pub(crate) rotation: Rotation,
    pub(crate) clock: Clock,
    pub(crate) tokens: TokenCache,
    pub(crate) graph_tokens: graph::auth::TokenCache,
    pub(crate) http: reqwest::Client,
    pub(crate) stop: CancellationToken,
    /// Requests that are being worked on, held ones included.
    pub(crate) open: AtomicU64,
    world: Mutex<World>,
}

/// The second port.
pub(crate) struct TlsPort {
    pub(crate) addr: SocketAddr,
    /// `https://127.0.0.1:4143`
    pub(crate) base: String,
    /// The authority's certificate, PEM.
    pub(crate) ca: PathBuf,
}

pub(crate) struct Start {
    pub(crate) base: String,
    pub(crate) tls: Option<TlsPort>,
    pub(crate) clock: Clock,
    pub(crate) control_key: Option<String>,
    pub(crate) keys: Arc<Keys>,
    pub(crate) http: reqwest::Client,
    pub(crate) description: Description,
    pub(crate) limits: bool,
    pub(crate) latency: Latency,
}

impl Shared {
    pub(crate) fn new(start: Start) -> Result<Self, Problem> {
        let stop = CancellationToken::new();
        let description = start.description;
        let tenant_id = match &description.tenant.id {
            Some(id) => crate::connector::guid(id)
                .ok_or_else(|| Problem::new("tenant.id", "must be a GUID"))?
                .to_string(),
            // From the seed of the start, so that a reset does not change whose tokens are good.
            None => Rng::new(description.seed.unwrap_or(1) ^ 0x7e4a_4e7e).uuid().to_string(),
        };
        let nobody = Org::described(&Description::made_up(1, 0, 0), &|_| None)?;
        let mut world = World::empty(nobody, Settings::new(start.limits, start.latency), &stop);
        world.reset(&description, &tenant_id, &stop)?;
        Ok(Self {
            service_url: format!("{}/teams/", start.base),
            tenant_id,
            base: start.base,
            tls: start.tls,
            control_key: start.control_key,
            identity_header: uuid::Uuid::new_v4().to_string(),
            rotation: Rotation::new(&start.keys),
            keys: start.keys,
            clock: start.clock,
            tokens: TokenCache::default(),
            graph_tokens: graph::auth::TokenCache::default(),
            http: start.http,
            stop,
            open: AtomicU64::new(0),
            world: Mutex::new(world),
        })
    }

    /// A panic elsewhere does not make the counts wrong in a way that matters more than going on.
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

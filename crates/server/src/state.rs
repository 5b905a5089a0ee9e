//! What the server is given, and the only way that handlers get at it.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nuncio_domain::people::{Learned, LearnedDone};
use nuncio_domain::ports::{Directory, DirectoryCopies, Ledger, Preview, Registry, StoreError, Wake};
use nuncio_domain::scope::Scope;
use nuncio_domain::{Clock, Time};
use nuncio_teams::inbound::Authenticator;
use tokio::sync::{Semaphore, SemaphorePermit};
use uuid::Uuid;

pub use crate::bot::say::OwnWords;
use crate::credential::CredentialEnd;
use crate::remembered::Remembered;
use crate::turns::{Turn, Turns};

/// 32 bytes that nobody can guess, at every call.
pub type Random = Arc<dyn Fn() -> [u8; 32] + Send + Sync>;

/// How long a preview asks the directory: a caller waits for it, and for the names before it.
pub const PREVIEW_WITHIN: Duration = Duration::from_secs(25);

/// `/api/messages` answers after its commit within this, else 503: Teams sends it again.
const LEARN_WITHIN: Duration = Duration::from_secs(1);

/// Lists of which each takes up to 64 MiB, and what is read of it beside that.
const UPLOADS: usize = 2;

/// Everything that the server needs.
#[derive(Clone)]
pub struct ServerState {
    pub ledger: Arc<dyn Ledger>,
    pub registry: Arc<dyn Registry>,
    pub wake: Arc<dyn Wake>,
    pub directory: Arc<dyn Directory>,
    pub preview: Arc<dyn Preview>,
    pub copies: Arc<dyn DirectoryCopies>,
    /// Wakes whoever keeps the copies.
    pub sync: Arc<dyn Wake>,
    pub clock: Arc<dyn Clock>,
    pub random: Random,
    /// Who may post to the bot endpoint.
    pub inbound: Arc<Authenticator>,
    /// A refusal younger than this spares a call (`docs/delivery.md`, Reachability).
    pub recheck: Duration,
    /// How long a preview may ask the directory.
    pub preview_within: Duration,
    pub apps: Vec<AppInfo>,
}

/// An app as the configuration has it.
#[derive(Debug, Clone, PartialEq)]
pub struct AppInfo {
    /// What comes after `app.` in the configuration.
    pub name: String,
    pub app_id: String,
    /// Where its tokens come from.
    pub tenant_id: String,
    /// Tenants that it may send in; `*` is all of them.
    pub allowed_tenants: Vec<String>,
    /// What it takes for Microsoft's limit in each tenant; `None` without one.
    pub calls_per_s: Option<f64>,
    /// Whether a copy of its directories is kept.
    pub synchronised: bool,
    /// What it says by itself.
    pub words: Arc<OwnWords>,
    /// Whether it may be installed for people, in teams and in chats.
    pub may_install: bool,
    /// When what it proves itself with ends, where that is known.
    pub credential: Option<CredentialEnd>,
}

impl AppInfo {
    pub(crate) fn allows(&self, tenant: &str) -> bool {
        self.allowed_tenants.iter().any(|allowed| allowed == "*" || allowed.eq_ignore_ascii_case(tenant))
    }
}

/// The state, shared by all handlers. Its fields are private to this module: a caller's ports come from
/// [`App::ports`], which only `access.rs` calls, and what works without a caller is a method here.
#[derive(Clone)]
pub(crate) struct App(Arc<Inner>);

struct Inner {
    state: ServerState,
    /// Requests with an idempotency key that are being worked on: (key_no, idempotency key).
    running: Mutex<HashSet<(i64, String)>>,
    remembered: Remembered,
    /// Lists that are being uploaded.
    uploads: Semaphore,
    /// Previews that are counted.
    previews: Turns,
}

/// The ports that need a scope.
pub(crate) struct Ports<'a> {
    pub(crate) ledger: &'a dyn Ledger,
    pub(crate) registry: &'a dyn Registry,
    pub(crate) wake: &'a dyn Wake,
    pub(crate) directory: &'a dyn Directory,
    pub(crate) preview: &'a dyn Preview,
    pub(crate) copies: &'a dyn DirectoryCopies,
    pub(crate) sync: &'a dyn Wake,
}

impl App {
    pub(crate) fn new(state: ServerState) -> Self {
        Self(Arc::new(Inner {
            state,
            running: Mutex::default(),
            remembered: Remembered::default(),
            uploads: Semaphore::new(UPLOADS),
            previews: Turns::of_previews(),
        }))
    }

    /// For `access.rs` only: there it is put together with a scope.
    pub(crate) fn ports(&self) -> Ports<'_> {
        let state = &self.0.state;
        Ports {
            ledger: &*state.ledger,
            registry: &*state.registry,
            wake: &*state.wake,
            directory: &*state.directory,
            preview: &*state.preview,
            copies: &*state.copies,
            sync: &*state.sync,
        }
    }

    pub(crate) fn now(&self) -> Time {
        self.0.state.clock.now()
    }

    pub(crate) fn random(&self) -> [u8; 32] {
        (self.0.state.random)()
    }

    /// A UUIDv7 of now.
    pub(crate) fn new_uuid(&self) -> Uuid {
        let millis = u64::try_from(self.now().0 / 1000).unwrap_or(0);
        let random = self.random();
        let ten = random.first_chunk::<10>().expect("10 of 32 bytes");
        uuid::Builder::from_unix_timestamp_millis(millis, ten).into_uuid()
    }

    pub(crate) fn apps(&self) -> &[AppInfo] {
        &self.0.state.apps
    }

    pub(crate) fn recheck(&self) -> Duration {
        self.0.state.recheck
    }

    pub(crate) fn preview_within(&self) -> Duration {
        self.0.state.preview_within
    }

    /// Who a secret belongs to.
    pub(crate) async fn caller(&self, hash: [u8; 32]) -> Result<Option<Scope>, StoreError> {
        let Inner { state, remembered, .. } = &*self.0;
        let now = Instant::now();
        let mark = match remembered.caller(&hash, now) {
            Ok(scope) => return Ok(Some(scope)),
            Err(mark) => mark,
        };
        let caller = state.registry.caller(hash).await?;
        if let Some(scope) = &caller {
            remembered.keep_caller(hash, scope, mark, now);
        }
        Ok(caller)
    }

    /// A key was revoked: who calls is to be asked anew.
    pub(crate) fn forget_callers(&self) {
        self.0.remembered.forget_callers();
    }

    /// The lane of an app in a tenant, made if it is new.
    pub(crate) async fn lane_no(&self, app: &str, tenant: &str) -> Result<i64, StoreError> {
        let Inner { state, remembered, .. } = &*self.0;
        if let Some(lane_no) = remembered.lane(app, tenant) {
            return Ok(lane_no);
        }
        let lane = state.registry.lane(app, tenant).await?;
        remembered.keep_lane(app, tenant, lane.lane_no);
        Ok(lane.lane_no)
    }

    /// Whether the store works.
    pub(crate) async fn ready(&self) -> Result<(), StoreError> {
        tokio::time::timeout(LEARN_WITHIN, self.0.state.registry.ready())
            .await
            .unwrap_or_else(|_| Err(StoreError::Unavailable("no answer within 1 s".to_owned())))
    }

    pub(crate) fn inbound(&self) -> &Authenticator {
        &self.0.state.inbound
    }

    /// Stores what an activity told us, and wakes the owner of the lane if that made something to say.
    pub(crate) async fn learn(&self, learned: Learned) -> Result<LearnedDone, StoreError> {
        let (registry, wake) = (Arc::clone(&self.0.state.registry), Arc::clone(&self.0.state.wake));
        // A commit that comes too late for the answer still has to wake the owner.
        let learning = tokio::spawn(async move {
            let done = registry.learn(learned).await?;
            if let LearnedDone::New { lane_no, said: true } = done {
                wake.wake(lane_no);
            }
            Ok(done)
        });
        match tokio::time::timeout(LEARN_WITHIN, learning).await {
            Ok(done) => done.unwrap_or_else(|error| Err(StoreError::Unavailable(error.to_string()))),
            Err(_) => Err(StoreError::Unavailable("no commit within 1 s".to_owned())),
        }
    }

    /// Room for one more list in memory; waits for it.
    pub(crate) async fn upload_turn(&self) -> Option<SemaphorePermit<'_>> {
        // It is never closed.
        self.0.uploads.acquire().await.ok()
    }

    /// A turn to count a preview; waits for it as long as a preview may take. `None` where too many wait.
    pub(crate) async fn preview_turn(&self) -> Option<Turn<'_>> {
        self.0.previews.turn(self.preview_within()).await
    }

    /// Marks an idempotency key as being worked on, until the guard is dropped; `None` if it is already.
    pub(crate) fn begin(&self, key_no: i64, key: &str) -> Option<Running> {
        let entry = (key_no, key.to_owned());
        let fresh = self.0.running.lock().unwrap_or_else(PoisonError::into_inner).insert(entry.clone());
        fresh.then(|| Running { app: self.clone(), entry })
    }
}

/// See [`App::begin`].
pub(crate) struct Running {
    app: App,
    entry: (i64, String),
}

impl Drop for Running {
    fn drop(&mut self) {
        self.app.0.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.entry);
    }
}

//! The way of every request that Microsoft would serve: latency, faults, the work itself, counting, the answer.
//!
//! The work outlives the connection: a service that has read a request goes on with it when the client hangs up.

use std::{
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::response::Response;
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

pub(crate) use crate::{answer::Answer, op::Op};
use crate::{
    answer::{More, respond},
    clock::{Micros, rfc3339},
    entra::failure::Failure,
    faults::{Accept, Cut, Hit, Hold, Release, Subject},
    graph::{self, Ids},
    journal::Entry,
    op::Service,
    outage::{Kind, Strike},
    refusal::{WRITES_BLOCKED_HEADERS, fault_body},
    world::{Shared, World},
};

/// Closes the connection that a request came on, without another byte, or after a few of its own.
#[derive(Clone)]
pub(crate) struct Cutter {
    pub(crate) cut: CancellationToken,
    /// Whether it is closed with a reset instead of an orderly end.
    reset: Arc<AtomicBool>,
    last_words: Arc<OnceLock<String>>,
}

impl Cutter {
    pub(crate) fn new(cut: CancellationToken) -> Self {
        Self { cut, reset: Arc::default(), last_words: Arc::default() }
    }

    /// For a connection whose bytes are not those of its socket (TLS): it is closed without a word.
    pub(crate) fn mute(&self) {
        self.say("");
    }

    fn say(&self, words: &str) {
        // The first one stays: what is muted is.
        let _ = self.last_words.set(words.to_owned());
    }

    pub(crate) fn last_words(&self) -> &str {
        self.last_words.get().map_or("", String::as_str)
    }

    fn reset(&self) {
        self.reset.store(true, Ordering::Relaxed);
    }

    pub(crate) fn resets(&self) -> bool {
        self.reset.load(Ordering::Relaxed)
    }
}

/// A request as far as faults and the journal look at it.
pub(crate) struct Call {
    pub(crate) op: Op,
    /// The name that it was asked for, port or not
    pub(crate) host: String,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) app_id: Option<String>,
    /// Entra object id
    pub(crate) person: Option<String>,
    pub(crate) conversation: Option<String>,
    pub(crate) tenant: Option<String>,
    /// Faults leave a request alone that is not even authorised.
    pub(crate) authorised: bool,
    /// How a request to Graph and its answer are known.
    pub(crate) ids: Option<Ids>,
}

/// What is done while the world is held.
pub(crate) type Work = Box<dyn FnOnce(&mut World, Micros) -> Answer + Send>;

enum Outcome {
    Answer(Answer),
    /// Send the head and half of the body, then cut.
    Half(Answer),
    /// The connection was cut already.
    Gone,
}

/// Serves one request.
pub(crate) async fn exchange(shared: Arc<Shared>, call: Call, cutter: Cutter, work: Work) -> Response {
    let (service, ids) = (call.op.service(), call.ids.clone());
    let client_gone = Arc::new(AtomicBool::new(false));
    let process = process(Arc::clone(&shared), call, cutter.clone(), work, Arc::clone(&client_gone));
    let going = Going { process: Some(Box::pin(process)), shared, cutter: cutter.clone(), client_gone };
    match going.await {
        Outcome::Answer(answer) => respond(&answer, service, ids.as_ref(), None),
        Outcome::Half(answer) => respond(&answer, service, ids.as_ref(), Some(cutter)),
        Outcome::Gone => {
            cutter.cut.cancel();
            std::future::pending().await
        }
    }
}

/// A request that is being worked on. When its connection ends first, the server drops the handler, and the work goes on
/// in a task of its own: a service that has read a request does not stop for a client that hangs up.
struct Going<P: Future<Output = Outcome> + Send + 'static> {
    process: Option<Pin<Box<P>>>,
    shared: Arc<Shared>,
    cutter: Cutter,
    client_gone: Arc<AtomicBool>,
}

impl<P: Future<Output = Outcome> + Send + 'static> Future for Going<P> {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        let Some(process) = &mut self.process else { return Poll::Pending };
        let outcome = std::task::ready!(process.as_mut().poll(cx));
        self.process = None;
        Poll::Ready(outcome)
    }
}

impl<P: Future<Output = Outcome> + Send + 'static> Drop for Going<P> {
    fn drop(&mut self) {
        let Some(process) = self.process.take() else { return };
        // A connection that a fault cut was not closed by its client.
        if !self.cutter.cut.is_cancelled() {
            self.client_gone.store(true, Ordering::Relaxed);
            self.shared.world().counts.clients_gone += 1;
        }
        // Without a runtime everything ends, this too.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(process);
        }
    }
}

/// Counts a request as open for as long as it lives.
struct Open(Arc<Shared>);

impl Open {
    fn new(shared: Arc<Shared>) -> Self {
        shared.open.fetch_add(1, Ordering::Relaxed);
        Self(shared)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn process(
    shared: Arc<Shared>,
    call: Call,
    cutter: Cutter,
    work: Work,
    client_gone: Arc<AtomicBool>,
) -> Outcome {
    let _open = Open::new(Arc::clone(&shared));
    let started = shared.clock.now();
    let (struck, hit, before, after) = arrive(&shared, &call, started);
    if let Some(strike) = struck {
        let outcome = strike_out(&shared, strike, &cutter).await;
        record(&shared, call, started, None, None, &outcome, &client_gone);
        return outcome;
    }
    shared.clock.pause(before).await;

    let do_work = |work: Work| {
        let mut world = shared.world();
        // Read inside the lock, so that what is counted is counted in the order of its times.
        let now = shared.clock.now();
        let mut answer = work(&mut world, now);
        if let Some(Ok(seconds)) = answer.retry_after.as_deref().map(str::parse) {
            answer.retry_after = Some(shared.clock.told_seconds(seconds).to_string());
        }
        answer
    };
    let mut taken = None;
    let outcome = match &hit {
        None => {
            let answer = do_work(work);
            taken = Some(answer.clone());
            Outcome::Answer(answer)
        }
        Some(hit) => faulty(&shared, &call, hit, &cutter, &mut taken, || do_work(work)).await,
    };
    shared.clock.pause(after).await;
    record(&shared, call, started, hit.as_ref(), taken.as_ref(), &outcome, &client_gone);
    outcome
}

type Arrival = (Option<Strike>, Option<Hit>, Duration, Duration);

fn arrive(shared: &Shared, call: &Call, now: Micros) -> Arrival {
    let mut world = shared.world();
    let world = &mut *world;
    let service = call.op.service();
    if service == Service::Connector
        && let Some(strike) = world.outage.strike(now, &mut world.rng)
    {
        world.counts.arrived(now);
        return (Some(strike), None, Duration::ZERO, Duration::ZERO);
    }
    let hit = if call.authorised {
        let subject = Subject {
            op: call.op,
            person: call.person.as_deref(),
            conversation: call.conversation.as_deref(),
            tenant: call.tenant.as_deref(),
            app_id: call.app_id.as_deref(),
        };
        world.faults.pick(&subject, &mut world.rng)
    } else {
        None
    };
    if service == Service::SignIn {
        return (None, hit, Duration::ZERO, Duration::ZERO);
    }
    if service == Service::Connector {
        world.counts.arrived(now);
    }
    let (before, after) = world.settings.latency.sample(&mut world.rng);
    let millis = |ms: f64| Duration::try_from_secs_f64(ms / 1000.0).unwrap_or(Duration::ZERO);
    (None, hit, millis(before), millis(after))
}

/// What an outage of the region does with a request, which is never accepted.
async fn strike_out(shared: &Shared, strike: Strike, cutter: &Cutter) -> Outcome {
    match strike.kind {
        Kind::Unavailable | Kind::GatewayTimeout => {
            let status = strike.kind.status();
            Outcome::Answer(Answer::ok(status, fault_body(status, None)))
        }
        Kind::Refuse => Outcome::Gone,
        Kind::Reset => {
            cutter.reset();
            Outcome::Gone
        }
        Kind::Hang => {
            // The client is told nothing until the outage ends, and then the connection is gone.
            tokio::select! {
                () = strike.over.cancelled() => {}
                () = shared.stop.cancelled() => {}
            }
            Outcome::Gone
        }
    }
}

async fn faulty(
    shared: &Shared,
    call: &Call,
    hit: &Hit,
    cutter: &Cutter,
    taken: &mut Option<Answer>,
    do_work: impl FnOnce() -> Answer,
) -> Outcome {
    let action = &hit.action;
    if action.hold == Some(Hold::Before) && hold(shared, call, hit, Hold::Before).await == Release::Drop {
        return Outcome::Gone;
    }
    match action.accept() {
        Accept::Never => shared.clock.pause(action.delay()).await,
        Accept::Before => {
            *taken = Some(do_work());
            shared.clock.pause(action.delay()).await;
        }
        Accept::After => {
            shared.clock.pause(action.delay()).await;
            if action.cut == Cut::BeforeStatus {
                cutter.cut.cancel();
            }
            *taken = Some(do_work());
        }
    }
    if action.hold == Some(Hold::After) && hold(shared, call, hit, Hold::After).await == Release::Drop {
        return Outcome::Gone;
    }
    if let Some(raw) = &action.raw {
        cutter.say(raw);
        return Outcome::Gone;
    }
    let mut answer = match (action.status, &taken) {
        (Some(status), _) => Answer {
            status,
            code: action.code.clone(),
            body: match &action.body {
                Some(Value::Null) => None,
                Some(body) => Some(body.clone()),
                None if call.op == Op::Token => {
                    Some(Failure::fault(status, action.code.as_deref()).body(shared.clock.real()))
                }
                None => Some(match &call.ids {
                    Some(ids) => graph::fault(status, action.code.as_deref(), ids, shared.clock.real()),
                    None => fault_body(status, action.code.as_deref()),
                }),
            },
            retry_after: action.retry_after(),
            more: match action.code.as_deref() {
                Some("209") => More::headers(&WRITES_BLOCKED_HEADERS),
                _ => None,
            },
            ..Answer::default()
        },
        (None, Some(answer)) => answer.clone(),
        // A cut without a status: half of a success that never was.
        (None, None) => Answer::ok(200, json!({"id": "0"})),
    };
    if let (Some(page), Some(ids)) = (action.page, &call.ids) {
        page.spoil(&mut answer, ids);
    }
    match action.cut {
        Cut::None => Outcome::Answer(answer),
        Cut::BeforeStatus => Outcome::Gone,
        Cut::MidBody => Outcome::Half(answer),
    }
}

async fn hold(shared: &Shared, call: &Call, hit: &Hit, at: Hold) -> Release {
    let shown = json!({
        "hold": at, "since": rfc3339(shared.clock.now()), "op": call.op, "app_id": call.app_id,
        "person": call.person, "conversation": call.conversation,
    });
    let released = shared.world().faults.hold(hit.fault, shown);
    tokio::select! {
        release = released => release.unwrap_or(Release::GoOn),
        () = shared.stop.cancelled() => Release::Drop,
    }
}

fn record(
    shared: &Shared,
    call: Call,
    started: Micros,
    hit: Option<&Hit>,
    taken: Option<&Answer>,
    outcome: &Outcome,
    client_gone: &AtomicBool,
) {
    let client_gone = client_gone.load(Ordering::Relaxed);
    let mut world = shared.world();
    let (status, code) = match outcome {
        Outcome::Answer(answer) | Outcome::Half(answer) => (Some(answer.status), answer.code.clone()),
        Outcome::Gone => (None, None),
    };
    let receipts = taken.map(|answer| answer.receipts.as_slice()).unwrap_or_default();
    let told = matches!(outcome, Outcome::Answer(answer) if answer.status < 300) && !client_gone;
    let answer_lost = !receipts.is_empty() && !told;
    if answer_lost {
        world.counts.answers_lost += 1;
        for receipt in receipts {
            world.messages.mark_lost(*receipt);
        }
    }
    if status == Some(429) && hit.is_some_and(|hit| hit.action.status.is_some()) {
        world.counts.throttled_by_faults += 1;
    }
    // A cut in the middle of the body is journaled with its status but counted as what the client has of it: nothing.
    let counted = if matches!(outcome, Outcome::Half(_)) { None } else { status };
    world.counts.answered(call.op.name(), counted);
    world.journal.push(Entry {
        n: 0,
        at: started,
        op: call.op.name(),
        host: call.host,
        method: call.method,
        path: call.path,
        app_id: call.app_id,
        person: call.person,
        conversation: call.conversation,
        status,
        code,
        activity_id: receipts.first().map(|receipt| receipt.id),
        fault: hit.map(|hit| hit.fault),
        answer_lost,
        client_gone,
        ms: (shared.clock.now() - started) / 1000,
    });
}

//! Taking messages in: recipients, audience, counts and idempotency keys, of all that have queued up, in one
//! transaction and a few statements.
//!
//! The rows of their lanes are locked before anything else. So numbers of messages become visible in their order, lane by
//! lane: an owner asks for those above the last that it has seen.

use std::collections::{BTreeSet, HashMap};

use futures_util::future::BoxFuture;
use nuncio_domain::message::{Idempotency, Retries, Submitted};
use nuncio_domain::ports::StoreError;
use nuncio_domain::{MessageId, NewMessage, RecipientKind, Scope, Source, Time};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::commit::column;
use super::db::{Db, plain, plain_or_null, sql};
use super::recipients::{Called, add_recipients};
use super::writer::Item;
use super::{fill, lists};
use crate::error::{broken, unavailable};
use crate::new_message::{
    Begin, Distinct, Gathering, KEEP_KEYS, REPLY, begin, distinct, filled, install, sources as sources_of,
};
use crate::words::{get, id, json};

pub(crate) const LANES: &str = "
    SELECT lane_no, app FROM lanes WHERE lane_no = ANY ($1) ORDER BY lane_no FOR NO KEY UPDATE";

pub(crate) const REPEATED: &str = "
    SELECT i.key_no, i.key, i.body_hash, m.id
      FROM unnest($1::bigint[], $2::text[]) AS j (key_no, key)
      JOIN idempotency AS i ON i.key_no = j.key_no AND i.key = j.key AND i.at > $3
      JOIN messages AS m ON m.message_no = i.message_no";

pub(crate) const THREADS: &str = "
    UPDATE recipients AS r SET thread_no = j.thread_no
      FROM (SELECT j.lane_no, j.kind, j.key, b.recipient_no AS thread_no
              FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[]) AS j (lane_no, kind, base, key)
             CROSS JOIN LATERAL (SELECT recipient_no FROM recipients AS b
                                  WHERE b.lane_no = j.lane_no AND b.kind = j.kind AND b.key = j.base OFFSET 0) AS b
            OFFSET 0) AS j
     WHERE r.lane_no = j.lane_no AND r.kind = j.kind AND r.key = j.key AND r.thread_no IS DISTINCT FROM j.thread_no";

const LISTS: &str = "
    INSERT INTO audience_lists (lane_no, created_at)
    SELECT j.lane_no, j.at FROM unnest($1::bigint[], $2::bigint[]) WITH ORDINALITY AS j (lane_no, at, place)
     ORDER BY j.place
    RETURNING list_no";

const MEMBERS: &str = "
    INSERT INTO audience_members (list_no, recipient_no) SELECT unnest($1::bigint[]), unnest($2::bigint[])";

const MESSAGES: &str = "
    INSERT INTO messages (id, lane_no, key_no, class, state, label, content, on_ambiguous, max_recipients, sources,
                          send_at, expires_at, created_at, purpose, gathers, cause, retries, install, when_unreachable, include,
                          fence_at)
    SELECT j.id, j.lane_no, j.key_no, j.class, j.state, j.label, j.content, j.on_ambiguous, j.max_recipients, j.sources,
           j.send_at, j.expires_at, j.created_at, j.purpose, j.gathers, j.cause, j.retries, j.install, j.when_unreachable,
           -- Who was meant by what is tried again is meant still.
           CASE WHEN j.retries IS NULL THEN j.include
                ELSE (SELECT b.include FROM messages AS b WHERE b.message_no = j.retries) END,
           -- Who comes later joins those that gather.
           CASE WHEN j.gathers THEN 9223372036854775807 ELSE f.last END
      FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
                  $9::bigint[], $10::text[], $11::bigint[], $12::bigint[], $13::bigint[], $14::text[], $15::boolean[],
                  $16::text[], $17::bigint[], $18::text[], $19::text[],
                  $20::text[]) WITH ORDINALITY
        AS j (id, lane_no, key_no, class, state, label, content, on_ambiguous, max_recipients, sources, send_at,
              expires_at, created_at, purpose, gathers, cause, retries, include, install, when_unreachable, place)
     CROSS JOIN (SELECT coalesce(max(recipient_no), 0) AS last FROM recipients) AS f
     ORDER BY j.place
    RETURNING message_no, id";

const COUNTS: &str = "
    INSERT INTO message_counts (message_no, duplicates_removed) SELECT * FROM unnest($1::bigint[], $2::bigint[])";

pub(crate) const EXCLUSIONS: &str = "
    INSERT INTO message_exclusions (message_no, key) SELECT * FROM unnest($1::bigint[], $2::text[])
    ON CONFLICT DO NOTHING";

const REMEMBER: &str = "
    INSERT INTO idempotency (key_no, key, body_hash, message_no, at)
    SELECT * FROM unnest($1::bigint[], $2::text[], $3::bytea[], $4::bigint[], $5::bigint[])
    ON CONFLICT (key_no, key) DO UPDATE
       SET body_hash = excluded.body_hash, message_no = excluded.message_no, at = excluded.at";

/// A message that waits to be taken in.
pub(crate) struct Submission {
    scope: Scope,
    new: NewMessage,
    result: Option<Result<Submitted, StoreError>>,
    answer: oneshot::Sender<Result<Submitted, StoreError>>,
}

impl Submission {
    pub(crate) const fn new(
        scope: Scope,
        new: NewMessage,
        answer: oneshot::Sender<Result<Submitted, StoreError>>,
    ) -> Self {
        Self { scope, new, result: None, answer }
    }
}

impl Item for Submission {
    fn write<'a>(items: &'a mut [Self], db: &'a mut Db<'_>) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(submit(db, items))
    }

    fn answer(self, committed: Result<(), StoreError>) {
        let answer = match (self.result, committed) {
            (_, Err(error)) => Err(error),
            (Some(result), Ok(())) => result,
            (None, Ok(())) => Err(broken("a message was neither stored nor refused")),
        };
        // Nobody may be waiting any more, which changes nothing about what was written.
        let _ = self.answer.send(answer);
    }
}

/// Whether there is anything to commit.
async fn submit(db: &mut Db<'_>, submissions: &mut [Submission]) -> Result<bool, StoreError> {
    let lanes: BTreeSet<i64> = submissions.iter().map(|one| one.new.lane_no).collect();
    let lanes: Vec<i64> = lanes.into_iter().collect();
    let mut apps: HashMap<i64, String> = HashMap::new();
    for row in &db.rows(sql(LANES).bind(lanes)).await? {
        apps.insert(get(row, "lane_no")?, get(row, "app")?);
    }
    let asked = submissions
        .iter()
        .filter_map(|one| Some((one.scope.key_no, one.new.idempotency.as_ref()?, one.new.created_at)));
    let mut used = used(db, &asked.collect::<Vec<_>>()).await?;
    let mut fresh = Vec::new();
    for (index, one) in submissions.iter_mut().enumerate() {
        let key = one.new.idempotency.as_ref().map(|own| (one.scope.key_no, plain(&own.key).into_owned()));
        one.result = Some(match key.as_ref().and_then(|key| used.get(key)) {
            Some(before) => Ok(before.answer(one.new.idempotency.as_ref())),
            None if !apps.get(&one.new.lane_no).is_some_and(|app| one.scope.sees_app(app)) => {
                Err(broken("a message for a lane that its caller may not use"))
            }
            None if !lists::all_there(db, &one.new).await? => {
                Err(unavailable("a list of the audience was deleted at this moment"))
            }
            None => {
                fresh.push(index);
                if let (Some(key), Some(own)) = (key, &one.new.idempotency) {
                    // Another one in this very transaction may use it too.
                    used.insert(key, Used { hash: own.body_hash.to_vec(), id: one.new.id });
                }
                Ok(Submitted::Stored)
            }
        });
    }
    if fresh.is_empty() {
        return Ok(false);
    }
    let stored: Vec<Stored<'_>> = fresh
        .iter()
        .map(|index| &submissions[*index])
        .map(|one| Stored { key_no: one.scope.key_no, new: &one.new, gathering: None })
        .collect();
    let numbers = store(db, &stored).await?;
    remember(db, &stored, &numbers).await?;
    Ok(true)
}

/// What an idempotency key was used for.
struct Used {
    hash: Vec<u8>,
    id: MessageId,
}

impl Used {
    fn answer(&self, again: Option<&Idempotency>) -> Submitted {
        if again.is_some_and(|again| self.hash == again.body_hash) {
            Submitted::Repeated(self.id)
        } else {
            Submitted::KeyReused
        }
    }
}

async fn used(
    db: &mut Db<'_>,
    asked: &[(i64, &Idempotency, Time)],
) -> Result<HashMap<(i64, String), Used>, StoreError> {
    // Requests that come together are of one time.
    let Some(now) = asked.iter().map(|asked| asked.2).max() else { return Ok(HashMap::new()) };
    let statement = sql(REPEATED)
        .bind(column(asked, |asked| asked.0))
        .bind(column(asked, |asked| plain(&asked.1.key)))
        .bind(now.0 - KEEP_KEYS);
    db.rows(statement)
        .await?
        .iter()
        .map(|row| {
            let used = Used { hash: get(row, "body_hash")?, id: id(row, "id", MessageId)? };
            Ok(((get(row, "key_no")?, get(row, "key")?), used))
        })
        .collect()
}

/// What the same key was used for in the last day.
pub(crate) async fn repeated(
    db: &mut Db<'_>,
    scope: &Scope,
    idempotency: &Idempotency,
    now: Time,
) -> Result<Option<Submitted>, StoreError> {
    let used = used(db, &[(scope.key_no, idempotency, now)]).await?;
    Ok(used.into_values().next().map(|before| before.answer(Some(idempotency))))
}

/// A message that is to become rows.
pub(crate) struct Stored<'n> {
    pub(crate) key_no: i64,
    pub(crate) new: &'n NewMessage,
    pub(crate) gathering: Option<&'n Gathering>,
}

/// Writes messages with all that belongs to them; their numbers. Their lanes are locked.
pub(crate) async fn store(db: &mut Db<'_>, all: &[Stored<'_>]) -> Result<Vec<i64>, StoreError> {
    let named: Vec<Distinct<'_>> = all.iter().map(|one| distinct(one.new)).collect();
    let lists = lists(db, all, &named).await?;
    let mut sources = Vec::with_capacity(all.len());
    let mut retries = Vec::with_capacity(all.len());
    for (one, list) in all.iter().zip(&lists) {
        let mut of = sources_of(one.new, list.named, &list.directory);
        retries.push(match &one.new.retries {
            Some(retries) => Some(retried(db, one.new.lane_no, retries, &mut of).await?),
            None => None,
        });
        sources.push(json(&of)?);
    }
    let contents = all.iter().map(|one| json(&one.new.content)).collect::<Result<Vec<_>, _>>()?;
    let begins: Vec<Begin> = all.iter().map(|one| begin(one.new, one.gathering)).collect();
    let statement = sql(MESSAGES)
        .bind(column(all, |one| one.new.id.0))
        .bind(column(all, |one| one.new.lane_no))
        .bind(column(all, |one| one.key_no))
        .bind(column(all, |one| one.new.class.as_str()))
        .bind(column(&begins, |begin| begin.state.as_str()))
        .bind(column(all, |one| plain_or_null(one.new.label.as_ref())))
        .bind(contents)
        .bind(column(all, |one| one.new.on_ambiguous.map(nuncio_domain::OnAmbiguous::as_str)))
        .bind(column(all, |one| one.new.max_recipients))
        .bind(sources)
        .bind(column(&begins, |begin| begin.send_at.map(|at| at.0)))
        .bind(column(all, |one| one.new.expires_at.0))
        .bind(column(all, |one| one.new.created_at.0))
        .bind(column(&begins, |begin| begin.purpose.as_str()))
        .bind(column(&begins, |begin| begin.gathers))
        .bind(column(&begins, |begin| begin.cause))
        .bind(&retries)
        .bind(column(all, |one| one.new.include.to_word()))
        .bind(column(all, |one| install(one.new)))
        .bind(column(all, |one| one.new.when_unreachable.as_str()));
    let mut made: HashMap<Uuid, i64> = HashMap::with_capacity(all.len());
    for row in &db.rows(statement).await? {
        made.insert(get(row, "id")?, get(row, "message_no")?);
    }
    let numbers: Vec<i64> = all
        .iter()
        .map(|one| made.get(&one.new.id.0).copied())
        .collect::<Option<_>>()
        .ok_or_else(|| broken("a message was not stored"))?;
    let twice = all.iter().zip(&named).map(|(one, distinct)| (one.new.named.len() - distinct.len()) as i64);
    db.run(sql(COUNTS).bind(&numbers).bind(twice.collect::<Vec<_>>())).await?;
    let excluded: Vec<(i64, &str)> = all
        .iter()
        .zip(&numbers)
        .flat_map(|(one, number)| one.new.exclude.iter().map(|key| (*number, key.as_str())))
        .collect();
    if !excluded.is_empty() {
        let keys = column(&excluded, |row| plain(row.1));
        db.run(sql(EXCLUSIONS).bind(column(&excluded, |row| row.0)).bind(keys)).await?;
    }
    for (of, number) in retries.iter().zip(&numbers) {
        let Some(of) = of else { continue };
        // Whoever was left out is left out still.
        let copied = sql("INSERT INTO message_exclusions (message_no, key)
             SELECT $2, e.key FROM message_exclusions AS e WHERE e.message_no = $1 ON CONFLICT DO NOTHING");
        db.run(copied.bind(of).bind(number)).await?;
    }
    Ok(numbers)
}

/// The number of a message that is tried again, whose deliveries become a source.
async fn retried(
    db: &mut Db<'_>,
    lane_no: i64,
    retries: &Retries,
    sources: &mut Vec<Source>,
) -> Result<i64, StoreError> {
    let of = sql("SELECT message_no FROM messages WHERE id = $1 AND lane_no = $2");
    let row = db.row(of.bind(retries.of.0).bind(lane_no)).await?;
    let row = row.ok_or_else(|| broken("a message that tries again what its lane has not"))?;
    let message_no = get(&row, "message_no")?;
    sources.push(Source::Retry {
        message_no,
        states: retries.states.clone(),
        reasons: retries.reasons.clone(),
    });
    Ok(message_no)
}

async fn remember(db: &mut Db<'_>, all: &[Stored<'_>], numbers: &[i64]) -> Result<(), StoreError> {
    let rows: Vec<(&Stored<'_>, &Idempotency, i64)> = all
        .iter()
        .zip(numbers)
        .filter_map(|(one, number)| Some((one, one.new.idempotency.as_ref()?, *number)))
        .collect();
    let Some(now) = rows.iter().map(|row| row.0.new.created_at).max() else { return Ok(()) };
    let statement = sql(REMEMBER)
        .bind(column(&rows, |row| row.0.key_no))
        .bind(column(&rows, |row| plain(&row.1.key)))
        .bind(column(&rows, |row| row.1.body_hash.as_slice()))
        .bind(column(&rows, |row| row.2))
        .bind(column(&rows, |row| row.0.new.created_at.0));
    db.run(statement).await?;
    if numbers.iter().any(|number| number % 256 == 0) {
        db.run(sql("DELETE FROM idempotency WHERE at <= $1").bind(now.0 - KEEP_KEYS)).await?;
    }
    Ok(())
}

/// The lists of a message.
#[derive(Default)]
struct Of {
    named: Option<i64>,
    /// Those that the directory fills.
    directory: Vec<i64>,
}

/// The named recipients of each message as a list of its own, and an empty one for each part of the directory.
async fn lists(db: &mut Db<'_>, all: &[Stored<'_>], named: &[Distinct<'_>]) -> Result<Vec<Of>, StoreError> {
    let everyone: BTreeSet<Called<'_>> = named.iter().flatten().copied().collect();
    let everyone: Vec<Called<'_>> = everyone.into_iter().collect();
    let mut numbers = Vec::new();
    let mut lists: Vec<Of> = all.iter().map(|_| Of::default()).collect();
    if !everyone.is_empty() {
        numbers = add_recipients(db, &everyone).await?;
        threads_of_replies(db, &everyone).await?;
        let told = all.iter().flat_map(|one| {
            one.new.resolved.iter().map(|person| (one.new.lane_no, person, one.new.created_at))
        });
        fill::people(db, &told.collect::<Vec<_>>()).await?;
    }

    // One for the named, if there are any, and one for each part of the directory.
    let with_list: Vec<usize> = (0..all.len())
        .flat_map(|index| {
            let wants = usize::from(!named[index].is_empty()) + filled(all[index].new);
            std::iter::repeat_n(index, wants)
        })
        .collect();
    if with_list.is_empty() {
        return Ok(lists);
    }
    let statement = sql(LISTS)
        .bind(column(&with_list, |index| all[*index].new.lane_no))
        .bind(column(&with_list, |index| all[*index].new.created_at.0));
    let made = db.rows(statement).await?;
    // Numbers are given in the order of the rows.
    let mut made: Vec<i64> = made.iter().map(|row| get(row, "list_no")).collect::<Result<_, _>>()?;
    made.sort_unstable();
    for (index, list_no) in with_list.into_iter().zip(made) {
        let of = &mut lists[index];
        if of.named.is_none() && !named[index].is_empty() {
            of.named = Some(list_no);
        } else {
            of.directory.push(list_no);
        }
    }
    let mut members: Vec<(i64, i64)> = lists
        .iter()
        .zip(named)
        .filter_map(|(of, named)| Some((of.named?, named)))
        .flat_map(|(list_no, named)| named.iter().map(move |called| (list_no, called)))
        .filter_map(|(list_no, called)| Some((list_no, numbers[everyone.binary_search(called).ok()?])))
        .collect();
    // Two names may be one to the database, which has no character of code 0.
    members.sort_unstable();
    members.dedup();
    let statement =
        sql(MEMBERS).bind(column(&members, |member| member.0)).bind(column(&members, |member| member.1));
    db.run(statement).await?;
    Ok(lists)
}

/// Replies share the window and the order of their channel.
async fn threads_of_replies(db: &mut Db<'_>, named: &[Called<'_>]) -> Result<(), StoreError> {
    let replies: Vec<(i64, RecipientKind, &str, &str)> = named
        .iter()
        .filter_map(|(lane, kind, key)| Some((*lane, *kind, key.split_once(REPLY)?.0, *key)))
        .collect();
    if replies.is_empty() {
        return Ok(());
    }
    let bases: BTreeSet<_> = replies.iter().map(|reply| (reply.0, reply.1, reply.2)).collect();
    add_recipients(db, &bases.into_iter().collect::<Vec<_>>()).await?;
    let statement = sql(THREADS)
        .bind(column(&replies, |reply| reply.0))
        .bind(column(&replies, |reply| reply.1.as_str()))
        .bind(column(&replies, |reply| plain(reply.2)))
        .bind(column(&replies, |reply| plain(reply.3)));
    db.run(statement).await.map(|_| ())
}

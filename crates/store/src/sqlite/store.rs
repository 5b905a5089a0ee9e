//! Writing messages with all that belongs to them, any number in the same few statements.

use std::collections::HashMap;
use std::fmt::Write as _;

use nuncio_domain::ports::StoreError;
use nuncio_domain::{NewMessage, OnAmbiguous, RecipientKind, Source, Time};
use serde::Serialize;
use sqlx::SqliteConnection;

use super::fill;
use crate::error::of_sqlx;
use crate::new_message::{Gathering, KEEP_KEYS, REPLY, begin, distinct, sources};
use crate::words::{get, json};

/// The channels of replies are of no list.
pub(crate) const NAMED: &str = "
    INSERT INTO audience_members (list_no, recipient_no)
    SELECT j.value ->> 3, r.recipient_no
      FROM jsonb_each(?1) AS j
     CROSS JOIN recipients AS r ON r.lane_no = j.value ->> 0 AND r.kind = j.value ->> 1 AND r.key = j.value ->> 2
     WHERE j.value ->> 3 IS NOT NULL";

pub(crate) const LAST_OF_LISTS: &str = "
    SELECT j.value, (SELECT max(a.recipient_no) FROM audience_members AS a WHERE a.list_no = j.value)
      FROM jsonb_each(?1) AS j";

/// Replies share the window and the order of their channel.
pub(crate) const THREADS: &str = "
    UPDATE recipients SET thread_no = b.recipient_no
      FROM jsonb_each(?1) AS j
     CROSS JOIN recipients AS b ON b.lane_no = j.value ->> 0 AND b.kind = j.value ->> 1 AND b.key = j.value ->> 2
     WHERE recipients.lane_no = j.value ->> 0 AND recipients.kind = j.value ->> 1 AND recipients.key = j.value ->> 3";

const MESSAGES: &str = "
    INSERT INTO messages (message_no, id, lane_no, key_no, class, state, label, content, on_ambiguous, max_recipients,
                          sources, send_at, expires_at, created_at, purpose, gathers, cause, retries, fence_at,
                          include, when_unreachable)
    SELECT j.value ->> 'message_no', unhex(j.value ->> 'id'), j.value ->> 'lane_no', j.value ->> 'key_no',
           j.value ->> 'class', j.value ->> 'state', j.value ->> 'label', j.value ->> 'content',
           j.value ->> 'on_ambiguous', j.value ->> 'max_recipients', j.value ->> 'sources', j.value ->> 'send_at',
           j.value ->> 'expires_at', j.value ->> 'created_at', j.value ->> 'purpose', j.value ->> 'gathers',
           j.value ->> 'cause', j.value ->> 'retries', j.value ->> 'fence_at', j.value ->> 'include',
           j.value ->> 'when_unreachable'
      FROM jsonb_each(?1) AS j";

/// A message to be written.
pub(crate) struct Draft<'a> {
    pub(crate) key_no: i64,
    pub(crate) new: &'a NewMessage,
    /// The number of the message that it tries again.
    pub(crate) retries: Option<i64>,
    pub(crate) gathering: Option<Gathering>,
}

/// The next ones of messages and lists, and the last recipient. There is no other writer.
#[derive(Clone, Copy)]
pub(crate) struct Numbers {
    pub(crate) message: i64,
    list: i64,
    recipient: i64,
}

pub(crate) async fn numbers(connection: &mut SqliteConnection) -> Result<Numbers, StoreError> {
    let row = sqlx::query(
        "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'messages'), 0) AS message_no,
                coalesce((SELECT max(list_no) FROM audience_lists), 0) AS list_no,
                coalesce((SELECT max(recipient_no) FROM recipients), 0) AS recipient_no",
    )
    .fetch_one(connection)
    .await
    .map_err(of_sqlx)?;
    Ok(Numbers {
        message: get::<i64>(&row, "message_no")? + 1,
        list: get::<i64>(&row, "list_no")? + 1,
        recipient: get(&row, "recipient_no")?,
    })
}

/// Writes all of them, numbered from `numbers` on in their order.
pub(crate) async fn store(
    connection: &mut SqliteConnection,
    numbers: Numbers,
    drafts: &[Draft<'_>],
) -> Result<(), StoreError> {
    let lists = Lists::of(numbers.list, drafts);
    lists.write(&mut *connection).await?;
    told(&mut *connection, drafts).await?;
    let last = lists.last(&mut *connection).await?;
    let mut fence = numbers.recipient;
    let mut messages = Vec::with_capacity(drafts.len());
    let mut counts = Vec::with_capacity(drafts.len());
    for (message_no, (draft, of)) in (numbers.message..).zip(drafts.iter().zip(&lists.of)) {
        // New recipients are numbered in the order of the messages that name them, so that whoever only a later one
        // names is above this.
        fence = of.named.and_then(|list_no| last.get(&list_no)).map_or(fence, |last| fence.max(*last));
        messages.push(row(message_no, draft, of, fence)?);
        counts.push((message_no, of.duplicates));
    }
    write(&mut *connection, MESSAGES, &messages).await?;
    write(
        &mut *connection,
        "INSERT INTO message_counts (message_no, duplicates_removed)
         SELECT j.value ->> 0, j.value ->> 1 FROM jsonb_each(?) AS j",
        &counts,
    )
    .await?;
    exclude(&mut *connection, numbers.message, drafts).await?;
    remember(connection, numbers.message, drafts).await
}

/// A statement over rows, unless there are none.
pub(crate) async fn write<T: Serialize>(
    connection: &mut SqliteConnection,
    statement: &'static str,
    rows: &[T],
) -> Result<(), StoreError> {
    if !rows.is_empty() {
        sqlx::query(statement).bind(json(rows)?).execute(connection).await.map_err(of_sqlx)?;
    }
    Ok(())
}

#[derive(Serialize)]
struct Row<'a> {
    message_no: i64,
    id: String,
    lane_no: i64,
    key_no: i64,
    class: &'static str,
    state: &'static str,
    label: Option<&'a str>,
    content: String,
    on_ambiguous: Option<&'static str>,
    max_recipients: i64,
    sources: String,
    send_at: Option<Time>,
    expires_at: Time,
    created_at: Time,
    purpose: &'static str,
    gathers: bool,
    cause: Option<&'static str>,
    retries: Option<i64>,
    fence_at: i64,
    include: Option<&'static str>,
    when_unreachable: &'static str,
}

fn row<'a>(message_no: i64, draft: &Draft<'a>, of: &Of, fence: i64) -> Result<Row<'a>, StoreError> {
    let new = draft.new;
    let mut sources = sources(new, of.named, &of.directory);
    if let (Some(message_no), Some(retries)) = (draft.retries, &new.retries) {
        let (states, reasons) = (retries.states.clone(), retries.reasons.clone());
        sources.push(Source::Retry { message_no, states, reasons });
    }
    let begin = begin(new, draft.gathering.as_ref());
    Ok(Row {
        message_no,
        id: new.id.0.simple().to_string(),
        lane_no: new.lane_no,
        key_no: draft.key_no,
        class: new.class.as_str(),
        state: begin.state.as_str(),
        label: new.label.as_deref(),
        content: json(&new.content)?,
        on_ambiguous: new.on_ambiguous.map(OnAmbiguous::as_str),
        max_recipients: new.max_recipients,
        sources: json(&sources)?,
        send_at: begin.send_at,
        expires_at: new.expires_at,
        created_at: new.created_at,
        purpose: begin.purpose.as_str(),
        gathers: begin.gathers,
        cause: begin.cause,
        retries: draft.retries,
        // Who comes later joins what gathers.
        fence_at: if begin.gathers { i64::MAX } else { fence },
        include: new.include.to_word(),
        when_unreachable: new.when_unreachable.as_str(),
    })
}

/// The lists of a message.
struct Of {
    named: Option<i64>,
    /// How many were named more than once.
    duplicates: i64,
    /// Those that the directory fills.
    directory: Vec<i64>,
}

/// The named recipients of every message as a list of its own, and an empty one for each part of the directory.
#[derive(Default)]
struct Lists<'a> {
    /// Of each message.
    of: Vec<Of>,
    new: Vec<(i64, i64, Time)>,
    named: Vec<(i64, RecipientKind, &'a str, Option<i64>)>,
    replies: Vec<(i64, RecipientKind, &'a str, &'a str)>,
}

impl<'a> Lists<'a> {
    fn of(first: i64, drafts: &[Draft<'a>]) -> Self {
        let mut lists = Self::default();
        let mut list_no = first;
        for Draft { new, .. } in drafts {
            let lane_no = new.lane_no;
            let mut number = || {
                lists.new.push((list_no, lane_no, new.created_at));
                list_no += 1;
                list_no - 1
            };
            let named = (!new.named.is_empty()).then(&mut number);
            let directory = new.directory.iter().map(|_| number()).collect();
            let distinct = distinct(new);
            let duplicates = new.named.len() as i64 - distinct.len() as i64;
            lists.of.push(Of { named, duplicates, directory });
            lists.named.extend(distinct.iter().map(|(_, kind, key)| (lane_no, *kind, *key, named)));
            for (_, kind, key) in distinct {
                if let Some((channel, _)) = key.split_once(REPLY) {
                    lists.named.push((lane_no, kind, channel, None));
                    lists.replies.push((lane_no, kind, channel, key));
                }
            }
        }
        lists
    }

    async fn write(&self, connection: &mut SqliteConnection) -> Result<(), StoreError> {
        if self.new.is_empty() {
            return Ok(());
        }
        let named = json(&self.named)?;
        sqlx::query(
            "INSERT INTO recipients (lane_no, kind, key)
             SELECT j.value ->> 0, j.value ->> 1, j.value ->> 2 FROM jsonb_each(?) AS j WHERE true
             ON CONFLICT (lane_no, kind, key) DO NOTHING",
        )
        .bind(&named)
        .execute(&mut *connection)
        .await
        .map_err(of_sqlx)?;
        write(&mut *connection, THREADS, &self.replies).await?;
        write(
            &mut *connection,
            "INSERT INTO audience_lists (list_no, lane_no, created_at)
             SELECT j.value ->> 0, j.value ->> 1, j.value ->> 2 FROM jsonb_each(?) AS j",
            &self.new,
        )
        .await?;
        sqlx::query(NAMED).bind(named).execute(connection).await.map_err(of_sqlx)?;
        Ok(())
    }

    /// The last recipient of each list.
    async fn last(&self, connection: &mut SqliteConnection) -> Result<HashMap<i64, i64>, StoreError> {
        let lists: Vec<i64> = self.of.iter().filter_map(|of| of.named).collect();
        if lists.is_empty() {
            return Ok(HashMap::new());
        }
        let last: Vec<(i64, i64)> =
            sqlx::query_as(LAST_OF_LISTS).bind(json(&lists)?).fetch_all(connection).await.map_err(of_sqlx)?;
        Ok(last.into_iter().collect())
    }
}

/// What the directory said of people who are named; they are there by now.
async fn told(connection: &mut SqliteConnection, drafts: &[Draft<'_>]) -> Result<(), StoreError> {
    let people = drafts.iter().flat_map(|Draft { new, .. }| {
        new.resolved.iter().map(|person| fill::row(new.lane_no, person, new.created_at))
    });
    write(connection, fill::PEOPLE, &people.collect::<Vec<_>>()).await
}

async fn exclude(
    connection: &mut SqliteConnection,
    first: i64,
    drafts: &[Draft<'_>],
) -> Result<(), StoreError> {
    let keys: Vec<(i64, &str)> = (first..)
        .zip(drafts)
        .flat_map(|(message_no, draft)| draft.new.exclude.iter().map(move |key| (message_no, key.as_str())))
        .collect();
    write(
        &mut *connection,
        "INSERT OR IGNORE INTO message_exclusions (message_no, key)
         SELECT j.value ->> 0, j.value ->> 1 FROM jsonb_each(?) AS j",
        &keys,
    )
    .await?;
    // One by one, for there are few and one may try again another of the same batch.
    for (message_no, draft) in (first..).zip(drafts) {
        let Some(of) = draft.retries else { continue };
        // Whoever was left out is left out still.
        sqlx::query(
            "INSERT INTO message_exclusions (message_no, key)
             SELECT ?2, e.key FROM message_exclusions AS e WHERE e.message_no = ?1 ON CONFLICT DO NOTHING",
        )
        .bind(of)
        .bind(message_no)
        .execute(&mut *connection)
        .await
        .map_err(of_sqlx)?;
        // And who was meant is meant still.
        sqlx::query(
            "UPDATE messages SET include = (SELECT m.include FROM messages AS m WHERE m.message_no = ?1)
              WHERE message_no = ?2",
        )
        .bind(of)
        .bind(message_no)
        .execute(&mut *connection)
        .await
        .map_err(of_sqlx)?;
    }
    Ok(())
}

async fn remember(
    connection: &mut SqliteConnection,
    first: i64,
    drafts: &[Draft<'_>],
) -> Result<(), StoreError> {
    let keys: Vec<(i64, &str, String, i64, Time)> = (first..)
        .zip(drafts)
        .filter_map(|(message_no, draft)| {
            let idempotency = draft.new.idempotency.as_ref()?;
            let hash = idempotency.body_hash.iter().fold(String::new(), |mut hex, byte| {
                let _ = write!(hex, "{byte:02x}");
                hex
            });
            Some((draft.key_no, idempotency.key.as_str(), hash, message_no, draft.new.created_at))
        })
        .collect();
    write(
        &mut *connection,
        "INSERT OR REPLACE INTO idempotency (key_no, key, body_hash, message_no, at)
         SELECT j.value ->> 0, j.value ->> 1, unhex(j.value ->> 2), j.value ->> 3, j.value ->> 4
           FROM jsonb_each(?) AS j",
        &keys,
    )
    .await?;
    // Now and then.
    if let Some((.., now)) = keys.iter().find(|(_, _, _, message_no, _)| message_no % 256 == 0) {
        sqlx::query("DELETE FROM idempotency WHERE at <= ?")
            .bind(now.0 - KEEP_KEYS)
            .execute(connection)
            .await
            .map_err(of_sqlx)?;
    }
    Ok(())
}

//! Welcomes, and answers to people who write: messages that are made in the transaction which stores their event
//! (`docs/adr/0015`).

use nuncio_domain::message::{Body, Named};
use nuncio_domain::own_words::{
    ANSWER_AGAIN, GATHER_REPLIES, GATHER_WELCOMES, INSTALL_WAVE, InstalledBy, LONGEST_WAVE, Lines, Occasion,
    Purpose, Say, WAVE, WAVE_SPAN, WELCOME_AGAIN, Welcome, Word,
};
use nuncio_domain::ports::StoreError;
use nuncio_domain::{Class, Content, MessageState, NewMessage, Source, Time};
use sqlx::SqliteConnection;

use super::store::{self, Draft};
use crate::error::{broken, of_sqlx};
use crate::new_message::{Gathering, own, with_name};
use crate::words::{from_json, get, json, time};

const HOUR: std::time::Duration = std::time::Duration::from_hours(1);

/// Of one lane, those that others can still join. There are few.
pub(crate) const GATHERING: &str = "
    SELECT message_no, sources, created_at FROM messages INDEXED BY messages_gathering
     WHERE lane_no = ?1 AND gathers = 1 AND purpose = ?2 AND content = ?3 AND send_at > ?4
       AND state IN ('scheduled', 'waiting') AND control IS NULL AND closed_to IS NULL
     ORDER BY message_no LIMIT 1";

/// No more than a wave needs.
pub(crate) const RECENT: &str = "
    SELECT count(*) FROM (SELECT 1 FROM welcomes WHERE lane_no = ?1 AND at > ?2 LIMIT ?3)";

/// Says it, if it is to be said; whether there is now something for the owner of the lane.
pub(crate) async fn say(
    connection: &mut SqliteConnection,
    lane_no: i64,
    say: &Say,
    now: Time,
) -> Result<bool, StoreError> {
    match &say.occasion {
        Occasion::Install(welcome) => self::welcome(connection, lane_no, say, welcome, now).await,
        Occasion::Word(word, lines) => self::word(connection, lane_no, say, (*word, lines), now).await,
    }
}

/// The app was taken away from where somebody may have been welcomed.
pub(crate) async fn left(
    connection: &mut SqliteConnection,
    lane_no: i64,
    place: &str,
    now: Time,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE welcomes SET removed_at = ?3 WHERE lane_no = ?1 AND place = ?2")
        .bind(lane_no)
        .bind(place)
        .bind(now.0)
        .execute(connection)
        .await
        .map_err(of_sqlx)?;
    Ok(())
}

async fn welcome(
    connection: &mut SqliteConnection,
    lane_no: i64,
    say: &Say,
    welcome: &Welcome,
    now: Time,
) -> Result<bool, StoreError> {
    // The events of one install, and the same ones sent again, find the row. One that comes too soon after a removal
    // takes the removal away: whatever follows belongs to that install.
    let done = sqlx::query(
        "INSERT INTO welcomes (lane_no, place, at) VALUES (?1, ?2, ?3)
         ON CONFLICT (lane_no, place) DO UPDATE
            SET at = iif(removed_at <= ?4, excluded.at, at), removed_at = NULL
          WHERE removed_at IS NOT NULL
         RETURNING at",
    )
    .bind(lane_no)
    .bind(&welcome.place)
    .bind(now.0)
    .bind((now - WELCOME_AGAIN).0)
    .fetch_optional(&mut *connection)
    .await
    .map_err(of_sqlx)?;
    let Some(row) = done else { return Ok(false) };
    if time(&row, "at")? != now {
        return Ok(false);
    }
    let content = named(connection, lane_no, welcome).await?;
    let recent: i64 = sqlx::query_scalar(RECENT)
        .bind(lane_no)
        .bind((now - WAVE_SPAN).0)
        .bind(WAVE + 1)
        .fetch_one(&mut *connection)
        .await
        .map_err(of_sqlx)?;
    let (wait, cause) = if recent > WAVE { (WAVE_SPAN, Some(INSTALL_WAVE)) } else { (GATHER_WELCOMES, None) };
    let new = NewMessage {
        class: Class::Bulk,
        label: Some(Purpose::Welcome.to_string()),
        expires_at: now + 24 * HOUR,
        ..own(say, lane_no, content, now)
    };
    let gathering = Gathering { purpose: Purpose::Welcome, until: now + wait, cause };
    tell(connection, &new, &say.to, gathering).await?;
    Ok(true)
}

/// The text with who installed the app, if that is known.
async fn named(
    connection: &mut SqliteConnection,
    lane_no: i64,
    welcome: &Welcome,
) -> Result<Content, StoreError> {
    let mut content = welcome.content.clone();
    if let (Body::Text(_), Some(InstalledBy { person, sentence })) = (&content.body, &welcome.installed_by) {
        let name: Option<Option<String>> = sqlx::query_scalar(
            "SELECT name FROM recipients WHERE lane_no = ? AND kind = 'person' AND key = ?",
        )
        .bind(lane_no)
        .bind(person)
        .fetch_optional(connection)
        .await
        .map_err(of_sqlx)?;
        if let Some(name) = name.flatten() {
            with_name(&mut content, sentence, &name);
        }
    }
    Ok(content)
}

async fn word(
    connection: &mut SqliteConnection,
    lane_no: i64,
    say: &Say,
    (word, lines): (Word, &Lines),
    now: Time,
) -> Result<bool, StoreError> {
    let Some(recipient_no) = recipient(connection, lane_no, &say.to).await? else { return Ok(false) };
    let changed = match word {
        Word::Stop => {
            let how = "they wrote to the app that they want no messages";
            opt_out(connection, recipient_no, now, how).await?
        }
        Word::Start => opt_in(connection, recipient_no).await?,
        Word::Other => false,
    };
    let Some(line) = lines.of(word) else { return Ok(false) };
    // A change is always confirmed; what changes nothing is answered now and then.
    let may = sqlx::query(
        "INSERT INTO answered (recipient_no, at) VALUES (?1, ?2)
         ON CONFLICT (recipient_no) DO UPDATE SET at = excluded.at WHERE ?3 OR at <= ?4",
    )
    .bind(recipient_no)
    .bind(now.0)
    .bind(changed)
    .bind((now - ANSWER_AGAIN).0)
    .execute(&mut *connection)
    .await
    .map_err(of_sqlx)?
    .rows_affected()
        == 1;
    if !may {
        return Ok(false);
    }
    let content = Content { body: Body::Text(line.to_owned()), summary: None };
    let new = NewMessage {
        class: Class::Normal,
        label: Some(Purpose::Reply.to_string()),
        expires_at: now + HOUR,
        ..own(say, lane_no, content, now)
    };
    let gathering = Gathering { purpose: Purpose::Reply, until: now + GATHER_REPLIES, cause: None };
    tell(connection, &new, &say.to, gathering).await?;
    Ok(true)
}

/// Whether they had not opted out before.
pub(crate) async fn opt_out(
    connection: &mut SqliteConnection,
    recipient_no: i64,
    now: Time,
    how: &str,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "INSERT INTO opt_outs (recipient_no, since, how) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
    )
    .bind(recipient_no)
    .bind(now.0)
    .bind(how)
    .execute(connection)
    .await
    .map_err(of_sqlx)?;
    Ok(done.rows_affected() == 1)
}

/// Whether they had opted out.
pub(crate) async fn opt_in(connection: &mut SqliteConnection, recipient_no: i64) -> Result<bool, StoreError> {
    let done = sqlx::query("DELETE FROM opt_outs WHERE recipient_no = ?")
        .bind(recipient_no)
        .execute(connection)
        .await
        .map_err(of_sqlx)?;
    Ok(done.rows_affected() == 1)
}

async fn recipient(
    connection: &mut SqliteConnection,
    lane_no: i64,
    named: &Named,
) -> Result<Option<i64>, StoreError> {
    sqlx::query_scalar("SELECT recipient_no FROM recipients WHERE lane_no = ? AND kind = ? AND key = ?")
        .bind(lane_no)
        .bind(named.kind.as_str())
        .bind(&named.key)
        .fetch_optional(connection)
        .await
        .map_err(of_sqlx)
}

/// Joins a message with the same words that has not begun, else makes it.
async fn tell(
    connection: &mut SqliteConnection,
    new: &NewMessage,
    to: &Named,
    gathering: Gathering,
) -> Result<(), StoreError> {
    let content = json(&new.content)?;
    let open = sqlx::query(GATHERING)
        .bind(new.lane_no)
        .bind(gathering.purpose.as_str())
        .bind(content)
        .bind(new.created_at.0)
        .fetch_optional(&mut *connection)
        .await
        .map_err(of_sqlx)?;
    let Some(row) = open else {
        let numbers = store::numbers(&mut *connection).await?;
        let draft = Draft { key_no: 0, new, retries: None, gathering: Some(gathering) };
        return store::store(connection, numbers, &[draft]).await;
    };
    let sources: Vec<Source> = from_json(get(&row, "sources")?)?;
    let [Source::List(list_no)] = sources[..] else {
        return Err(broken("a message that gathers has another source than its list"));
    };
    let Some(recipient_no) = recipient(connection, new.lane_no, to).await? else {
        return Err(broken("who is to be told something is not known"));
    };
    sqlx::query("INSERT OR IGNORE INTO audience_members (list_no, recipient_no) VALUES (?, ?)")
        .bind(list_no)
        .bind(recipient_no)
        .execute(&mut *connection)
        .await
        .map_err(of_sqlx)?;
    if gathering.cause.is_some() {
        let until = gathering.until.min(time(&row, "created_at")? + LONGEST_WAVE);
        sqlx::query("UPDATE messages SET send_at = ?2, state = ?3, cause = ?4 WHERE message_no = ?1")
            .bind(get::<i64>(&row, "message_no")?)
            .bind(until.0)
            .bind(MessageState::Waiting.as_str())
            .bind(gathering.cause)
            .execute(connection)
            .await
            .map_err(of_sqlx)?;
    }
    Ok(())
}

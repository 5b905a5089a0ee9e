//! Welcomes, and answers to people who write: messages that are made in the transaction which stores their event
//! (`docs/adr/0015`).

use std::time::Duration;

use nuncio_domain::message::{Body, Named};
use nuncio_domain::own_words::{
    ANSWER_AGAIN, GATHER_REPLIES, GATHER_WELCOMES, INSTALL_WAVE, InstalledBy, LONGEST_WAVE, Lines, Occasion,
    Purpose, Say, WAVE, WAVE_SPAN, WELCOME_AGAIN, Welcome, Word,
};
use nuncio_domain::ports::StoreError;
use nuncio_domain::{Class, Content, MessageState, NewMessage, Source, Time};

use super::db::{Db, plain, sql};
use super::submit::{self, Stored};
use crate::error::broken;
use crate::new_message::{Gathering, own, with_name};
use crate::words::{from_json, get, json, time};

const HOUR: Duration = Duration::from_hours(1);

/// Of one lane, those that others can still join. There are few, so they are sorted: in the order of their key would be
/// a walk through all messages. Locked, so that its owner does not begin to read the list while somebody joins it.
pub(crate) const GATHERING: &str = "
    SELECT message_no, sources, created_at FROM messages
     WHERE lane_no = $1 AND gathers AND purpose = $2 AND content = $3 AND send_at > $4
       AND state IN ('scheduled', 'waiting') AND control IS NULL AND closed_to IS NULL
     ORDER BY message_no + 0 LIMIT 1 FOR NO KEY UPDATE";

/// No more than a wave needs.
pub(crate) const RECENT: &str = "
    SELECT count(*) AS n FROM (SELECT 1 FROM welcomes WHERE lane_no = $1 AND at > $2 LIMIT $3) AS recent";

const WELCOME: &str = "
    INSERT INTO welcomes AS w (lane_no, place, at) VALUES ($1, $2, $3)
    ON CONFLICT (lane_no, place) DO UPDATE
       SET at = CASE WHEN w.removed_at <= $4 THEN excluded.at ELSE w.at END, removed_at = NULL
     WHERE w.removed_at IS NOT NULL
    RETURNING at";

/// A wave puts its end off with every install. Written each time, one row would have thousands of versions.
const WAIT: &str = "
    UPDATE messages SET send_at = $2, state = $3, cause = $4
     WHERE message_no = $1 AND (send_at <= $5 OR state <> $3 OR cause IS DISTINCT FROM $4)";
const NOTICEABLE: Duration = Duration::from_secs(1);

pub(crate) const RECIPIENT: &str =
    "SELECT recipient_no, name FROM recipients WHERE lane_no = $1 AND kind = $2 AND key = $3";

/// Says it, if it is to be said; whether there is now something for the owner of the lane, which is locked.
pub(crate) async fn say(db: &mut Db<'_>, lane_no: i64, say: &Say, now: Time) -> Result<bool, StoreError> {
    match &say.occasion {
        Occasion::Install(welcome) => self::welcome(db, lane_no, say, welcome, now).await,
        Occasion::Word(word, lines) => self::word(db, lane_no, say, (*word, lines), now).await,
    }
}

/// The app was taken away from where somebody may have been welcomed.
pub(crate) async fn left(db: &mut Db<'_>, lane_no: i64, place: &str, now: Time) -> Result<(), StoreError> {
    let removed = sql("UPDATE welcomes SET removed_at = $3 WHERE lane_no = $1 AND place = $2");
    db.run(removed.bind(lane_no).bind(plain(place)).bind(now.0)).await.map(|_| ())
}

async fn welcome(
    db: &mut Db<'_>,
    lane_no: i64,
    say: &Say,
    welcome: &Welcome,
    now: Time,
) -> Result<bool, StoreError> {
    // The events of one install, and the same ones sent again, find the row. One that comes too soon after a removal
    // takes the removal away: whatever follows belongs to that install.
    let statement =
        sql(WELCOME).bind(lane_no).bind(plain(&welcome.place)).bind(now.0).bind((now - WELCOME_AGAIN).0);
    let Some(row) = db.row(statement).await? else { return Ok(false) };
    if time(&row, "at")? != now {
        return Ok(false);
    }
    let content = named(db, lane_no, welcome).await?;
    let recent = sql(RECENT).bind(lane_no).bind((now - WAVE_SPAN).0).bind(WAVE + 1);
    let recent: i64 = get(&db.one(recent).await?, "n")?;
    let (wait, cause) = if recent > WAVE { (WAVE_SPAN, Some(INSTALL_WAVE)) } else { (GATHER_WELCOMES, None) };
    let new = NewMessage {
        class: Class::Bulk,
        label: Some(Purpose::Welcome.to_string()),
        expires_at: now + 24 * HOUR,
        ..own(say, lane_no, content, now)
    };
    let gathering = Gathering { purpose: Purpose::Welcome, until: now + wait, cause };
    tell(db, &new, &say.to, gathering).await?;
    Ok(true)
}

/// The text with who installed the app, if that is known.
async fn named(db: &mut Db<'_>, lane_no: i64, welcome: &Welcome) -> Result<Content, StoreError> {
    let mut content = welcome.content.clone();
    if let (Body::Text(_), Some(InstalledBy { person, sentence })) = (&content.body, &welcome.installed_by) {
        let row = db.row(sql(RECIPIENT).bind(lane_no).bind("person").bind(plain(person))).await?;
        let name: Option<String> = row.map_or(Ok(None), |row| get(&row, "name"))?;
        if let Some(name) = name {
            with_name(&mut content, sentence, &name);
        }
    }
    Ok(content)
}

async fn word(
    db: &mut Db<'_>,
    lane_no: i64,
    say: &Say,
    (word, lines): (Word, &Lines),
    now: Time,
) -> Result<bool, StoreError> {
    let Some(recipient_no) = recipient(db, lane_no, &say.to).await? else { return Ok(false) };
    let changed = match word {
        Word::Stop => {
            opt_out(db, recipient_no, now, "they wrote to the app that they want no messages").await?
        }
        Word::Start => opt_in(db, recipient_no).await?,
        Word::Other => false,
    };
    let Some(line) = lines.of(word) else { return Ok(false) };
    // A change is always confirmed; what changes nothing is answered now and then.
    let answer = sql("INSERT INTO answered AS a (recipient_no, at) VALUES ($1, $2)
         ON CONFLICT (recipient_no) DO UPDATE SET at = excluded.at WHERE $3 OR a.at <= $4")
    .bind(recipient_no)
    .bind(now.0)
    .bind(changed)
    .bind((now - ANSWER_AGAIN).0);
    if db.run(answer).await? == 0 {
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
    tell(db, &new, &say.to, gathering).await?;
    Ok(true)
}

/// Whether they had not opted out before.
pub(crate) async fn opt_out(
    db: &mut Db<'_>,
    recipient_no: i64,
    now: Time,
    how: &str,
) -> Result<bool, StoreError> {
    let out =
        sql("INSERT INTO opt_outs (recipient_no, since, how) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING");
    Ok(db.run(out.bind(recipient_no).bind(now.0).bind(plain(how))).await? == 1)
}

/// Whether they had opted out.
pub(crate) async fn opt_in(db: &mut Db<'_>, recipient_no: i64) -> Result<bool, StoreError> {
    Ok(db.run(sql("DELETE FROM opt_outs WHERE recipient_no = $1").bind(recipient_no)).await? == 1)
}

async fn recipient(db: &mut Db<'_>, lane_no: i64, named: &Named) -> Result<Option<i64>, StoreError> {
    let statement = sql(RECIPIENT).bind(lane_no).bind(named.kind.as_str()).bind(plain(&named.key));
    db.row(statement).await?.map(|row| get(&row, "recipient_no")).transpose()
}

/// Joins a message with the same words that has not begun, else makes it.
async fn tell(db: &mut Db<'_>, new: &NewMessage, to: &Named, gathering: Gathering) -> Result<(), StoreError> {
    let open = sql(GATHERING)
        .bind(new.lane_no)
        .bind(gathering.purpose.as_str())
        .bind(json(&new.content)?)
        .bind(new.created_at.0);
    let Some(row) = db.row(open).await? else {
        submit::store(db, &[Stored { key_no: 0, new, gathering: Some(&gathering) }]).await?;
        return Ok(());
    };
    let sources: Vec<Source> = from_json(get(&row, "sources")?)?;
    let [Source::List(list_no)] = sources[..] else {
        return Err(broken("a message that gathers has another source than its list"));
    };
    let Some(recipient_no) = recipient(db, new.lane_no, to).await? else {
        return Err(broken("who is to be told something is not known"));
    };
    let join =
        sql("INSERT INTO audience_members (list_no, recipient_no) VALUES ($1, $2) ON CONFLICT DO NOTHING");
    db.run(join.bind(list_no).bind(recipient_no)).await?;
    if gathering.cause.is_some() {
        let until = gathering.until.min(time(&row, "created_at")? + LONGEST_WAVE);
        let wait = sql(WAIT)
            .bind(get::<i64>(&row, "message_no")?)
            .bind(until.0)
            .bind(MessageState::Waiting.as_str())
            .bind(gathering.cause)
            .bind((until - NOTICEABLE).0);
        db.run(wait).await?;
    }
    Ok(())
}

//! What idempotency keys were used for when lists were uploaded.

use nuncio_domain::lists::Added;
use nuncio_domain::message::Idempotency;
use nuncio_domain::ports::StoreError;
use nuncio_domain::{AudienceId, Time};

use super::db::{Db, sql};
use crate::lists::answer_of;
use crate::new_message::KEEP_KEYS;
use crate::words::{get, id};

pub(crate) const USED: &str = "
    SELECT k.body_hash, a.id
      FROM list_keys AS k
     CROSS JOIN LATERAL (SELECT * FROM audiences AS b WHERE b.list_no = k.list_no OFFSET 0) AS a
     WHERE k.key_no = $1 AND k.key = $2 AND k.at > $3 AND a.deleted_at IS NULL";

/// Only over one that is too old to count, or whose list is gone.
const CLAIM: &str = "
    INSERT INTO list_keys (key_no, key, body_hash, list_no, at) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (key_no, key) DO UPDATE
       SET body_hash = excluded.body_hash, list_no = excluded.list_no, at = excluded.at
     WHERE list_keys.at <= $6
        OR (SELECT a.deleted_at FROM audiences AS a WHERE a.list_no = list_keys.list_no) IS NOT NULL";

pub(crate) async fn used(
    db: &mut Db<'_>,
    key_no: i64,
    idempotency: &Idempotency,
    now: Time,
) -> Result<Option<Added>, StoreError> {
    let row = db.row(sql(USED).bind(key_no).bind(&idempotency.key).bind(now.0 - KEEP_KEYS)).await?;
    let Some(row) = row else { return Ok(None) };
    let hash: &[u8] = get(&row, "body_hash")?;
    Ok(Some(answer_of(hash, id(&row, "id", AudienceId)?, idempotency)))
}

/// Takes the key for a list, or tells what it was used for meanwhile.
pub(crate) async fn claim(
    db: &mut Db<'_>,
    (key_no, idempotency): (i64, &Idempotency),
    list_no: i64,
    now: Time,
) -> Result<Option<Added>, StoreError> {
    let claim = sql(CLAIM)
        .bind(key_no)
        .bind(&idempotency.key)
        .bind(idempotency.body_hash.as_slice())
        .bind(list_no)
        .bind(now.0)
        .bind(now.0 - KEEP_KEYS);
    if db.run(claim).await? == 1 {
        return Ok(None);
    }
    used(db, key_no, idempotency, now).await
}

/// With a list that is deleted goes what it was made with: the same request makes a new one.
pub(crate) async fn forget(db: &mut Db<'_>, list_no: i64) -> Result<(), StoreError> {
    db.run(sql("DELETE FROM list_keys WHERE list_no = $1").bind(list_no)).await.map(drop)
}

pub(crate) async fn prune(db: &mut Db<'_>, now: Time) -> Result<(), StoreError> {
    db.run(sql("DELETE FROM list_keys WHERE at <= $1").bind(now.0 - KEEP_KEYS)).await.map(drop)
}

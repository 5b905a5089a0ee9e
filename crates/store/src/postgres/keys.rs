//! API keys, by the hash of their secret.

use nuncio_domain::ports::StoreError;
use nuncio_domain::scope::ApiKey;
use nuncio_domain::{KeyId, Scope, Time};

use super::db::{Db, plain, sql};
use crate::views::{self, api_key};
use crate::words::get;

pub(crate) async fn add(db: &mut Db<'_>, key: &ApiKey, hash: [u8; 32]) -> Result<(), StoreError> {
    let statement =
        sql("INSERT INTO api_keys (id, name, role, app, hash, created_at, revoked_at, may_install)
                         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)")
        .bind(key.id.0)
        .bind(plain(&key.name))
        .bind(key.role.as_str())
        .bind(&key.app)
        .bind(hash.as_slice())
        .bind(key.created_at.0)
        .bind(key.revoked_at.map(|at| at.0))
        .bind(key.may_install);
    db.run(statement).await.map(|_| ())
}

pub(crate) async fn keys(db: &mut Db<'_>, scope: &Scope) -> Result<Vec<ApiKey>, StoreError> {
    let statement = sql("SELECT id, name, role, app, may_install, created_at, revoked_at FROM api_keys
                          WHERE $1::text IS NULL OR app = $1 ORDER BY key_no DESC");
    db.rows(statement.bind(&scope.app)).await?.iter().map(api_key).collect()
}

pub(crate) async fn revoke(db: &mut Db<'_>, scope: &Scope, id: KeyId, now: Time) -> Result<bool, StoreError> {
    let statement = sql("UPDATE api_keys SET revoked_at = $3
                          WHERE id = $2 AND revoked_at IS NULL AND ($1::text IS NULL OR app = $1)");
    Ok(db.run(statement.bind(&scope.app).bind(id.0).bind(now.0)).await? == 1)
}

/// Who speaks with this key, for notes that people read.
pub(crate) async fn speaker(db: &mut Db<'_>, key_no: i64) -> Result<String, StoreError> {
    let row = db.row(sql("SELECT name FROM api_keys WHERE key_no = $1").bind(key_no)).await?;
    let Some(row) = row else { return Ok("an operator".to_owned()) };
    Ok(format!("the API key `{}`", get::<&str>(&row, "name")?))
}

pub(crate) async fn caller(db: &mut Db<'_>, hash: [u8; 32]) -> Result<Option<Scope>, StoreError> {
    let statement =
        sql("SELECT key_no, role, app, may_install FROM api_keys WHERE hash = $1 AND revoked_at IS NULL");
    db.row(statement.bind(hash.as_slice())).await?.as_ref().map(views::scope).transpose()
}

//! API keys, by the hash of their secret.

use nuncio_domain::ports::StoreError;
use nuncio_domain::scope::ApiKey;
use nuncio_domain::{KeyId, Scope, Time};
use sqlx::{SqliteConnection, SqlitePool};

use crate::error::of_sqlx;
use crate::views::api_key;

pub(crate) async fn add(
    connection: &mut SqliteConnection,
    key: &ApiKey,
    hash: [u8; 32],
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO api_keys (id, name, role, app, hash, created_at, revoked_at, may_install)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(key.id.0.as_bytes().as_slice())
    .bind(&key.name)
    .bind(key.role.as_str())
    .bind(&key.app)
    .bind(hash.as_slice())
    .bind(key.created_at.0)
    .bind(key.revoked_at.map(|at| at.0))
    .bind(key.may_install)
    .execute(connection)
    .await
    .map_err(of_sqlx)?;
    Ok(())
}

pub(crate) async fn keys(readers: &SqlitePool, scope: &Scope) -> Result<Vec<ApiKey>, StoreError> {
    sqlx::query(
        "SELECT id, name, role, app, may_install, created_at, revoked_at FROM api_keys
          WHERE ?1 IS NULL OR app = ?1 ORDER BY key_no DESC",
    )
    .bind(&scope.app)
    .fetch_all(readers)
    .await
    .map_err(of_sqlx)?
    .iter()
    .map(api_key)
    .collect()
}

pub(crate) async fn revoke(
    connection: &mut SqliteConnection,
    scope: &Scope,
    id: KeyId,
    now: Time,
) -> Result<bool, StoreError> {
    let revoked = sqlx::query(
        "UPDATE api_keys SET revoked_at = ?3 WHERE id = ?2 AND revoked_at IS NULL AND (?1 IS NULL OR app = ?1)",
    )
    .bind(&scope.app)
    .bind(id.0.as_bytes().as_slice())
    .bind(now.0)
    .execute(connection)
    .await
    .map_err(of_sqlx)?;
    Ok(revoked.rows_affected() == 1)
}

/// Who speaks with this key, for notes that people read.
pub(crate) async fn speaker(connection: &mut SqliteConnection, key_no: i64) -> Result<String, StoreError> {
    let name: Option<String> = sqlx::query_scalar("SELECT name FROM api_keys WHERE key_no = ?")
        .bind(key_no)
        .fetch_optional(connection)
        .await
        .map_err(of_sqlx)?;
    Ok(name.map_or_else(|| "an operator".to_owned(), |name| format!("the API key `{name}`")))
}

pub(crate) async fn caller(readers: &SqlitePool, hash: [u8; 32]) -> Result<Option<Scope>, StoreError> {
    sqlx::query("SELECT key_no, role, app, may_install FROM api_keys WHERE hash = ? AND revoked_at IS NULL")
        .bind(hash.as_slice())
        .fetch_optional(readers)
        .await
        .map_err(of_sqlx)?
        .as_ref()
        .map(crate::views::scope)
        .transpose()
}

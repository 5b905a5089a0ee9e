//! Reading rows: words, times and optional columns.

use nuncio_domain::Time;
use nuncio_domain::ports::StoreError;
use sqlx::sqlite::SqliteRow;
use sqlx::{Decode, Row, Sqlite, Type};

use super::error::{broken, of_json, of_sqlx};

/// A column by name.
pub(crate) fn get<'r, T>(row: &'r SqliteRow, column: &str) -> Result<T, StoreError>
where
    T: Decode<'r, Sqlite> + Type<Sqlite>,
{
    row.try_get(column).map_err(of_sqlx)
}

pub(crate) fn word<T>(row: &SqliteRow, column: &str, of: fn(&str) -> Option<T>) -> Result<T, StoreError> {
    word_or_null(row, column, of)?.ok_or_else(|| broken(format!("{column} is null")))
}

pub(crate) fn word_or_null<T>(
    row: &SqliteRow,
    column: &str,
    of: fn(&str) -> Option<T>,
) -> Result<Option<T>, StoreError> {
    let text: Option<&str> = get(row, column)?;
    text.map(|text| of(text).ok_or_else(|| broken(format!("{column} holds a word that is not known"))))
        .transpose()
}

pub(crate) fn time(row: &SqliteRow, column: &str) -> Result<Time, StoreError> {
    get(row, column).map(Time)
}

pub(crate) fn time_or_null(row: &SqliteRow, column: &str) -> Result<Option<Time>, StoreError> {
    get::<Option<i64>>(row, column).map(|at| at.map(Time))
}

/// 16 bytes of a typed id.
pub(crate) fn id<T>(row: &SqliteRow, column: &str, of: impl FnOnce([u8; 16]) -> T) -> Result<T, StoreError> {
    let bytes: &[u8] = get(row, column)?;
    bytes.try_into().map(of).map_err(|_| broken(format!("{column} is not 16 bytes")))
}

/// Rows for `json_each`: SQLite takes a whole batch as one bound text.
pub(crate) fn json<T: serde::Serialize + ?Sized>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| of_json(&error))
}

pub(crate) fn from_json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| of_json(&error))
}

//! Reading columns of either database: words, times, ids and optional columns.

use nuncio_domain::Time;
use nuncio_domain::ports::StoreError;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{Decode, Postgres, Row, Sqlite, Type};
use uuid::Uuid;

use crate::error::{broken, of_json, of_sqlx};

/// What both databases have as a column.
pub(crate) trait Column<'r>:
    Decode<'r, Sqlite> + Type<Sqlite> + Decode<'r, Postgres> + Type<Postgres>
{
}

impl<'r, T> Column<'r> for T where T: Decode<'r, Sqlite> + Type<Sqlite> + Decode<'r, Postgres> + Type<Postgres>
{}

/// A row of either database.
pub(crate) trait AnyRow {
    fn column<'r, T: Column<'r>>(&'r self, column: &str) -> Result<T, sqlx::Error>;
}

impl AnyRow for SqliteRow {
    fn column<'r, T: Column<'r>>(&'r self, column: &str) -> Result<T, sqlx::Error> {
        self.try_get(column)
    }
}

impl AnyRow for PgRow {
    fn column<'r, T: Column<'r>>(&'r self, column: &str) -> Result<T, sqlx::Error> {
        self.try_get(column)
    }
}

/// A column by name.
pub(crate) fn get<'r, T: Column<'r>>(row: &'r impl AnyRow, column: &str) -> Result<T, StoreError> {
    row.column(column).map_err(of_sqlx)
}

/// A number that takes less room than the column has.
pub(crate) fn small<T: TryFrom<i64>>(row: &impl AnyRow, column: &str) -> Result<T, StoreError> {
    small_or_null(row, column)?.ok_or_else(|| broken(format!("{column} is null")))
}

pub(crate) fn small_or_null<T: TryFrom<i64>>(
    row: &impl AnyRow,
    column: &str,
) -> Result<Option<T>, StoreError> {
    let number: Option<i64> = get(row, column)?;
    number
        .map(|number| T::try_from(number).map_err(|_| broken(format!("{column} is out of its range"))))
        .transpose()
}

pub(crate) fn word<T>(row: &impl AnyRow, column: &str, of: fn(&str) -> Option<T>) -> Result<T, StoreError> {
    word_or_null(row, column, of)?.ok_or_else(|| broken(format!("{column} is null")))
}

pub(crate) fn word_or_null<T>(
    row: &impl AnyRow,
    column: &str,
    of: fn(&str) -> Option<T>,
) -> Result<Option<T>, StoreError> {
    let text: Option<&str> = get(row, column)?;
    text.map(|text| of(text).ok_or_else(|| broken(format!("{column} holds a word that is not known"))))
        .transpose()
}

pub(crate) fn time(row: &impl AnyRow, column: &str) -> Result<Time, StoreError> {
    get(row, column).map(Time)
}

pub(crate) fn time_or_null(row: &impl AnyRow, column: &str) -> Result<Option<Time>, StoreError> {
    get::<Option<i64>>(row, column).map(|at| at.map(Time))
}

/// A typed id.
pub(crate) fn id<T>(row: &impl AnyRow, column: &str, of: fn(Uuid) -> T) -> Result<T, StoreError> {
    get(row, column).map(of)
}

/// Our own JSON, and rows for `json_each`: SQLite takes a whole batch as one bound text.
pub(crate) fn json<T: serde::Serialize + ?Sized>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| of_json(&error))
}

pub(crate) fn from_json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| of_json(&error))
}

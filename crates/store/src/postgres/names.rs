//! Names in uploaded lists: which of them come next, and whom they stand for (`docs/adr/0024`).

use nuncio_domain::directory::Resolved;
use nuncio_domain::lists::{Found, Knows, ListedName, Names, Unresolved};
use nuncio_domain::ports::StoreError;
use nuncio_domain::{RecipientKind, Source, Time};

use super::commit::column;
use super::db::{Db, plain, sql};
use super::fill::{LIST, MEMBERS, MOVE, Said, people};
use super::recipients::add_recipients;
use crate::lists::{line_of, listed_name, unresolved as unresolved_name};
use crate::words::get;

pub(crate) const LISTS: &str = "
    SELECT list_no FROM audiences WHERE lane_no = $1 AND looked_up < names ORDER BY list_no + 0";

pub(crate) const NEXT: &str = "
    SELECT line, name FROM audience_names WHERE list_no = $1 AND line > $2 ORDER BY list_no, line LIMIT $3";

/// Somebody whom nobody knows is shown by that name.
pub(crate) const SHOWN: &str = "
    UPDATE recipients AS r SET upn = j.upn
      FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[]) AS j (lane_no, kind, key, upn)
     WHERE r.lane_no = j.lane_no AND r.kind = j.kind AND r.key = j.key";

pub(crate) const DONE: &str = "DELETE FROM audience_names WHERE list_no = $1 AND line = ANY ($2)";

pub(crate) const KNOWS: &str = "UPDATE audience_names SET knows = $3 WHERE list_no = $1 AND line = ANY ($2)";

const COUNTS: &str = "
    UPDATE audiences
       SET looked_up = looked_up + $2, unresolved = unresolved + $3, duplicates = duplicates + $4,
           people = people - $4, cause = NULL
     WHERE list_no = $1";

/// A name that is not exactly one person's is one that was asked for.
pub(crate) const UNRESOLVED: &str = "
    SELECT line, name, knows FROM audience_names
     WHERE list_no = $1 AND knows IS NOT NULL ORDER BY list_no, line LIMIT $2";

/// The list of a source whose names were not all looked up.
pub(crate) async fn wanted(db: &mut Db<'_>, source: &Source) -> Result<Option<i64>, StoreError> {
    let Source::Uploaded(list_no) = source else { return Ok(None) };
    let list = db.one(sql(LIST).bind(list_no)).await?;
    Ok(get::<Option<i64>>(&list, "fetched_at")?.is_none().then_some(*list_no))
}

/// Lists of a lane with names to be looked up.
pub(crate) async fn lists(db: &mut Db<'_>, lane_no: i64) -> Result<Vec<i64>, StoreError> {
    db.rows(sql(LISTS).bind(lane_no)).await?.iter().map(|row| get(row, "list_no")).collect()
}

pub(crate) async fn next(db: &mut Db<'_>, list_no: i64, limit: i64) -> Result<Option<Names>, StoreError> {
    let Some(list) = db.row(sql(LIST).bind(list_no)).await? else { return Ok(None) };
    if get::<Option<i64>>(&list, "fetched_at")?.is_some() {
        return Ok(None);
    }
    let after = line_of(get(&list, "cursor")?);
    let rows = db.rows(sql(NEXT).bind(list_no).bind(after.unwrap_or(0)).bind(limit)).await?;
    let names: Vec<ListedName> = rows.iter().map(listed_name).collect::<Result<_, _>>()?;
    // One that was deleted meanwhile has none.
    Ok((!names.is_empty()).then_some(Names { after, names }))
}

pub(crate) async fn unresolved(
    db: &mut Db<'_>,
    list_no: i64,
    limit: i64,
) -> Result<Vec<Unresolved>, StoreError> {
    db.rows(sql(UNRESOLVED).bind(list_no).bind(limit)).await?.iter().map(unresolved_name).collect()
}

/// Whether it was taken.
pub(crate) async fn found(db: &mut Db<'_>, found: &Found, now: Time) -> Result<bool, StoreError> {
    let list_no = found.list_no;
    let list = sql("SELECT lane_no FROM audiences WHERE list_no = $1 AND deleted_at IS NULL");
    let Some(list) = db.row(list.bind(list_no)).await? else { return Ok(false) };
    let lane_no: i64 = get(&list, "lane_no")?;
    let names = match &found.names {
        Ok(names) => names,
        Err(cause) => {
            let told = sql("UPDATE audiences SET cause = $2 WHERE list_no = $1");
            db.run(told.bind(list_no).bind(plain(cause))).await?;
            return Ok(true);
        }
    };
    let Some(last) = names.iter().map(|(listed, _)| listed.line).max() else { return Ok(false) };
    let more = db.row(sql(NEXT).bind(list_no).bind(last).bind(1_i64)).await?.is_some();
    let moved = sql(MOVE)
        .bind(list_no)
        .bind(found.after.map(|line| line.to_string()))
        .bind(more.then(|| last.to_string()))
        .bind((!more).then_some(now.0));
    if db.run(moved).await? == 0 {
        return Ok(false);
    }
    let (mut said, mut done): (Vec<Said<'_>>, Vec<i64>) = (Vec::new(), Vec::new());
    let mut bad: Vec<(String, &ListedName, Knows)> = Vec::new();
    let mut keys: Vec<String> = Vec::new();
    for (listed, resolved) in names {
        if let Resolved::One(person) = resolved {
            said.push((lane_no, person, now));
            keys.push(plain(&person.object_id).to_ascii_lowercase());
            done.push(listed.line);
        } else if let Some(knows) = Knows::of(resolved) {
            let key = plain(&listed.key()).into_owned();
            keys.push(key.clone());
            bad.push((key, listed, knows));
        }
    }
    keys.sort_unstable();
    keys.dedup();
    bad.sort_unstable_by(|one, other| one.0.cmp(&other.0));
    let kind = RecipientKind::Person;
    add_recipients(db, &keys.iter().map(|key| (lane_no, kind, key.as_str())).collect::<Vec<_>>()).await?;
    people(db, &said).await?;
    let members = sql(MEMBERS)
        .bind(list_no)
        .bind(column(&keys, |_| lane_no))
        .bind(&keys)
        .bind(column(&keys, |_| kind.as_str()));
    let joined = db.run(members).await? as i64;
    db.run(sql(DONE).bind(list_no).bind(done)).await?;
    if !bad.is_empty() {
        let shown = sql(SHOWN)
            .bind(column(&bad, |_| lane_no))
            .bind(column(&bad, |_| kind.as_str()))
            .bind(column(&bad, |one| one.0.as_str()))
            .bind(column(&bad, |one| plain(&one.1.name)));
        db.run(shown).await?;
        for knows in Knows::ALL {
            let lines: Vec<i64> = bad.iter().filter(|one| one.2 == *knows).map(|one| one.1.line).collect();
            db.run(sql(KNOWS).bind(list_no).bind(lines).bind(knows.as_str())).await?;
        }
    }
    let counts = sql(COUNTS)
        .bind(list_no)
        .bind(names.len() as i64)
        .bind(bad.len() as i64)
        // Somebody whom another entry of the list names too.
        .bind(names.len() as i64 - joined);
    db.run(counts).await?;
    Ok(true)
}

//! A page of a round of changes: who is there is written at once, who is gone is only marked.

use nuncio_domain::Time;
use nuncio_domain::directory_copy::CopyPage;
use nuncio_domain::ports::StoreError;
use sqlx::SqliteConnection;

use super::store::write as rows;
use crate::copies::{self, GROUP, Member, PERSON};
use crate::error::of_sqlx;
use crate::words::json;

/// What was known and is not said now stays.
pub(crate) const PEOPLE: &str = "
    INSERT INTO recipients (lane_no, kind, key, name, upn, mail, guest, external, enabled, licensed, directory_at,
                            in_directory, directory_round)
    SELECT j.value ->> 0, 'person', j.value ->> 1, j.value ->> 2, j.value ->> 3, j.value ->> 4, j.value ->> 5,
           j.value ->> 6, j.value ->> 7, j.value ->> 8, ?2, 1, ?3
      FROM jsonb_each(?1) AS j WHERE true
    ON CONFLICT (lane_no, kind, key) DO UPDATE
       SET name = coalesce(excluded.name, name), upn = coalesce(excluded.upn, upn),
           mail = coalesce(excluded.mail, mail),
           guest = coalesce(excluded.guest, guest), external = coalesce(excluded.external, external),
           enabled = coalesce(excluded.enabled, enabled), licensed = coalesce(excluded.licensed, licensed),
           directory_at = excluded.directory_at, in_directory = 1, left_directory_at = NULL,
           directory_round = excluded.directory_round, leaving = NULL";

pub(crate) const GONE_PEOPLE: &str = "
    UPDATE recipients SET leaving = 1
      FROM jsonb_each(?1) AS j
     WHERE recipients.lane_no = j.value ->> 0 AND recipients.kind = j.value ->> 1 AND recipients.key = j.value ->> 2";

pub(crate) const GROUPS: &str = "
    INSERT INTO directory_groups (lane_no, key, name, kinds, in_directory, round)
    SELECT j.value ->> 0, j.value ->> 1, j.value ->> 2, j.value ->> 3, 1, ?2 FROM jsonb_each(?1) AS j WHERE true
    ON CONFLICT (lane_no, key) DO UPDATE
       SET name = coalesce(excluded.name, name), kinds = coalesce(excluded.kinds, kinds), in_directory = 1,
           left_at = NULL, round = excluded.round, leaving = 0";

pub(crate) const GONE_GROUPS: &str = "
    UPDATE directory_groups SET leaving = 1
      FROM jsonb_each(?1) AS j
     WHERE directory_groups.lane_no = j.value ->> 0 AND directory_groups.key = j.value ->> 1";

/// People and groups that are known as members before they are told themselves.
const MEMBER_PEOPLE: &str = "
    INSERT INTO recipients (lane_no, kind, key)
    SELECT j.value ->> 0, 'person', j.value ->> 1 FROM jsonb_each(?1) AS j WHERE true
    ON CONFLICT (lane_no, kind, key) DO NOTHING";
const MEMBER_GROUPS: &str = "
    INSERT INTO directory_groups (lane_no, key)
    SELECT j.value ->> 0, j.value ->> 1 FROM jsonb_each(?1) AS j WHERE true
    ON CONFLICT (lane_no, key) DO NOTHING";

/// Rows of a lane: its number, the group, the kind, the member.
macro_rules! member {
    ($kind:literal, $table:literal, $number:literal, $of_kind:literal) => {
        concat!(
            "INSERT INTO directory_members (lane_no, group_no, kind, member_no, round)
             SELECT g.lane_no, g.group_no, '", $kind, "', m.", $number, ", ?2
               FROM jsonb_each(?1) AS j
              CROSS JOIN directory_groups AS g ON g.lane_no = j.value ->> 0 AND g.key = j.value ->> 1
              CROSS JOIN ", $table, " AS m ON m.lane_no = j.value ->> 0", $of_kind, " AND m.key = j.value ->> 3
              WHERE true
             ON CONFLICT (lane_no, group_no, kind, member_no) DO UPDATE SET round = excluded.round, leaving = 0"
        )
    };
}
pub(crate) const PEOPLE_IN: &str =
    member!("person", "recipients", "recipient_no", " AND m.kind = j.value ->> 2");
pub(crate) const GROUPS_IN: &str = member!("group", "directory_groups", "group_no", "");

/// The rows are found first: otherwise the lane's members would be walked through.
macro_rules! left {
    ($table:literal, $number:literal, $of_kind:literal) => {
        concat!(
            "UPDATE directory_members SET leaving = 1
              WHERE (lane_no, group_no, kind, member_no) IN (
                SELECT j.value ->> 0, g.group_no, j.value ->> 2, m.",
            $number,
            " FROM jsonb_each(?1) AS j
                 CROSS JOIN directory_groups AS g ON g.lane_no = j.value ->> 0 AND g.key = j.value ->> 1
                 CROSS JOIN ",
            $table,
            " AS m ON m.lane_no = j.value ->> 0",
            $of_kind,
            " AND m.key = j.value ->> 3)"
        )
    };
}
pub(crate) const PEOPLE_OUT: &str = left!("recipients", "recipient_no", " AND m.kind = j.value ->> 2");
pub(crate) const GROUPS_OUT: &str = left!("directory_groups", "group_no", "");

pub(crate) async fn write(
    connection: &mut SqliteConnection,
    (lane_no, round): (i64, i64),
    page: &CopyPage,
    now: Time,
) -> Result<(), StoreError> {
    let people: Vec<_> = copies::people(page)
        .into_iter()
        .map(|person| {
            let names = (&person.name, &person.upn, &person.mail);
            (
                lane_no,
                &person.object_id,
                names.0,
                names.1,
                names.2,
                person.guest,
                person.external,
                person.enabled,
                person.licensed,
            )
        })
        .collect();
    if !people.is_empty() {
        let statement = sqlx::query(PEOPLE).bind(json(&people)?).bind(now.0).bind(round);
        statement.execute(&mut *connection).await.map_err(of_sqlx)?;
    }
    let gone: Vec<_> = page.gone_people.iter().map(|id| (lane_no, PERSON, id)).collect();
    rows(&mut *connection, GONE_PEOPLE, &gone).await?;

    let groups: Vec<_> =
        copies::groups(page).into_iter().map(|(id, name, kinds)| (lane_no, id, name, kinds)).collect();
    if !groups.is_empty() {
        let statement = sqlx::query(GROUPS).bind(json(&groups)?).bind(round);
        statement.execute(&mut *connection).await.map_err(of_sqlx)?;
    }
    let gone: Vec<_> = page.gone_groups.iter().map(|id| (lane_no, id)).collect();
    rows(&mut *connection, GONE_GROUPS, &gone).await?;
    write_members(connection, (lane_no, round), &copies::members(page)).await
}

async fn write_members(
    connection: &mut SqliteConnection,
    (lane_no, round): (i64, i64),
    members: &[Member<'_>],
) -> Result<(), StoreError> {
    for (kind, known, there, left) in
        [(PERSON, MEMBER_PEOPLE, PEOPLE_IN, PEOPLE_OUT), (GROUP, MEMBER_GROUPS, GROUPS_IN, GROUPS_OUT)]
    {
        let keys: Vec<_> = copies::keys(members, kind).into_iter().map(|key| (lane_no, key)).collect();
        rows(&mut *connection, known, &keys).await?;
        let of = |there: bool| -> Vec<_> {
            let of_kind = members.iter().filter(|member| member.kind == kind && member.there == there);
            of_kind.map(|member| (lane_no, member.group, kind, member.key)).collect()
        };
        let (now_in, now_out) = (of(true), of(false));
        if !now_in.is_empty() {
            let statement = sqlx::query(there).bind(json(&now_in)?).bind(round);
            statement.execute(&mut *connection).await.map_err(of_sqlx)?;
        }
        rows(&mut *connection, left, &now_out).await?;
    }
    Ok(())
}

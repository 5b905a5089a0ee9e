//! The end of a round: what it has not named is marked, the marks are counted, and what is marked is taken away. All in
//! pieces, because the owners of lanes write too.

use nuncio_domain::Time;
use nuncio_domain::directory_copy::{Compared, CopyCounts};
use nuncio_domain::ports::StoreError;
use sqlx::{SqliteConnection, SqlitePool};

use crate::copies::{LOOKED_AT, TAKEN};
use crate::error::of_sqlx;
use crate::words::get;

pub(crate) const PEOPLE_END: &str = "
    SELECT max(recipient_no) AS last FROM (
        SELECT r.recipient_no FROM recipients AS r INDEXED BY recipients_of_lane
         WHERE r.lane_no = ?1 AND r.kind = 'person' AND r.recipient_no > ?2 ORDER BY r.recipient_no LIMIT ?3)";

pub(crate) const PEOPLE: &str = "
    UPDATE recipients INDEXED BY recipients_of_lane SET leaving = 1
     WHERE lane_no = ?1 AND kind = 'person' AND recipient_no > ?2 AND recipient_no <= ?3
       AND in_directory = 1 AND directory_round <> ?4";

pub(crate) const GROUPS: &str = "
    UPDATE directory_groups SET leaving = 1 WHERE lane_no = ?1 AND in_directory = 1 AND round <> ?2";

pub(crate) const MEMBERS_END: &str = "
    SELECT group_no, kind, member_no FROM directory_members
     WHERE lane_no = ?1 AND (group_no, kind, member_no) > (?2, ?3, ?4)
     ORDER BY lane_no, group_no, kind, member_no LIMIT 1 OFFSET ?5 - 1";

pub(crate) const MEMBERS: &str = "
    UPDATE directory_members SET leaving = 1
     WHERE lane_no = ?1 AND (group_no, kind, member_no) > (?2, ?3, ?4) AND (group_no, kind, member_no) <= (?5, ?6, ?7)
       AND round <> ?8";

/// Of members that are groups and people, whatever is known of them besides.
const COUNT: &str = "
    SELECT (SELECT count(*) FROM recipients INDEXED BY recipients_of_upn
             WHERE lane_no = ?1 AND in_directory = 1) AS people,
           (SELECT count(*) FROM directory_groups WHERE lane_no = ?1 AND in_directory = 1) AS groups,
           (SELECT count(*) FROM directory_members WHERE lane_no = ?1) AS members,
           (SELECT count(*) FROM recipients INDEXED BY recipients_leaving
             WHERE lane_no = ?1 AND leaving = 1 AND in_directory = 1) AS gone_people,
           (SELECT count(*) FROM directory_groups
             WHERE lane_no = ?1 AND leaving = 1 AND in_directory = 1) AS gone_groups,
           (SELECT count(*) FROM directory_members INDEXED BY directory_members_leaving
             WHERE lane_no = ?1 AND leaving = 1) AS gone_members";

pub(crate) const TAKE_PEOPLE: &str = "
    UPDATE recipients SET in_directory = iif(in_directory = 1, 0, in_directory), leaving = NULL,
           left_directory_at = iif(in_directory = 1, ?2, left_directory_at)
     WHERE recipient_no IN (SELECT r.recipient_no FROM recipients AS r INDEXED BY recipients_leaving
                             WHERE r.lane_no = ?1 AND r.leaving = 1 LIMIT ?3)";

pub(crate) const TAKE_MEMBERS: &str = "
    DELETE FROM directory_members
     WHERE (lane_no, group_no, kind, member_no) IN (
        SELECT m.lane_no, m.group_no, m.kind, m.member_no
          FROM directory_members AS m INDEXED BY directory_members_leaving
         WHERE m.lane_no = ?1 AND m.leaving = 1 LIMIT ?2)";

/// Its members stay: one that is restored has them again.
const TAKE_GROUPS: &str = "
    UPDATE directory_groups SET in_directory = 0, leaving = 0, left_at = ?2 WHERE lane_no = ?1 AND leaving = 1";

/// Whether nobody has written the copy since.
async fn is_ours(connection: &mut SqliteConnection, lane_no: i64, rev: i64) -> Result<bool, StoreError> {
    let row = sqlx::query("SELECT 1 FROM directory_copies WHERE lane_no = ? AND rev = ?");
    Ok(row.bind(lane_no).bind(rev).fetch_optional(connection).await.map_err(of_sqlx)?.is_some())
}

pub(crate) async fn compare(
    connection: &mut SqliteConnection,
    (lane_no, rev, round): (i64, i64, i64),
    from: Compared,
) -> Result<Option<Compared>, StoreError> {
    if !is_ours(&mut *connection, lane_no, rev).await? {
        return Ok(None);
    }
    Ok(Some(match from {
        Compared::People(after) => {
            let end = sqlx::query(PEOPLE_END).bind(lane_no).bind(after).bind(LOOKED_AT);
            let end = end.fetch_one(&mut *connection).await.map_err(of_sqlx)?;
            let Some(last) = get::<Option<i64>>(&end, "last")? else { return Ok(Some(Compared::Groups)) };
            let marked = sqlx::query(PEOPLE).bind(lane_no).bind(after).bind(last).bind(round);
            marked.execute(connection).await.map_err(of_sqlx)?;
            Compared::People(last)
        }
        Compared::Groups => {
            let marked = sqlx::query(GROUPS).bind(lane_no).bind(round);
            marked.execute(connection).await.map_err(of_sqlx)?;
            Compared::Members(0, String::new(), 0)
        }
        Compared::Members(group_no, kind, member_no) => {
            let end = sqlx::query(MEMBERS_END).bind(lane_no).bind(group_no).bind(&kind).bind(member_no);
            let end = end.bind(LOOKED_AT).fetch_optional(&mut *connection).await.map_err(of_sqlx)?;
            let last = match &end {
                Some(end) => (get(end, "group_no")?, get(end, "kind")?, get(end, "member_no")?),
                None => (i64::MAX, String::new(), i64::MAX),
            };
            let marked = sqlx::query(MEMBERS).bind(lane_no).bind(group_no).bind(&kind).bind(member_no);
            let marked = marked.bind(last.0).bind(&last.1).bind(last.2).bind(round);
            marked.execute(connection).await.map_err(of_sqlx)?;
            if end.is_none() {
                return Ok(None);
            }
            Compared::Members(last.0, last.1, last.2)
        }
    }))
}

/// How many are there, and how many of them are marked.
pub(crate) async fn count(
    readers: &SqlitePool,
    lane_no: i64,
) -> Result<(CopyCounts, CopyCounts), StoreError> {
    let row = sqlx::query(COUNT).bind(lane_no).fetch_one(readers).await.map_err(of_sqlx)?;
    crate::copies::counts(&row)
}

/// Whether there may be more.
pub(crate) async fn take_away(
    connection: &mut SqliteConnection,
    (lane_no, rev): (i64, i64),
    now: Time,
) -> Result<bool, StoreError> {
    if !is_ours(&mut *connection, lane_no, rev).await? {
        return Ok(false);
    }
    let people = sqlx::query(TAKE_PEOPLE).bind(lane_no).bind(now.0).bind(TAKEN);
    let people = people.execute(&mut *connection).await.map_err(of_sqlx)?.rows_affected() as i64;
    let members = sqlx::query(TAKE_MEMBERS).bind(lane_no).bind(TAKEN);
    let members = members.execute(&mut *connection).await.map_err(of_sqlx)?.rows_affected() as i64;
    let groups = sqlx::query(TAKE_GROUPS).bind(lane_no).bind(now.0);
    groups.execute(&mut *connection).await.map_err(of_sqlx)?;
    let told = sqlx::query("UPDATE directory_copies SET taken = taken + 1 WHERE lane_no = ?").bind(lane_no);
    told.execute(connection).await.map_err(of_sqlx)?;
    Ok(people == TAKEN || members == TAKEN)
}

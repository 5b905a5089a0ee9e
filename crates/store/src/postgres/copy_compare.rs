//! The end of a round: what it has not named is marked, the marks are counted, and what is marked is taken away. All in
//! pieces, because others write too.

use nuncio_domain::Time;
use nuncio_domain::directory_copy::{Compared, CopyCounts};
use nuncio_domain::ports::StoreError;

use super::db::{Db, sql};
use crate::copies::{LOOKED_AT, TAKEN, counts};
use crate::words::get;

pub(crate) const PEOPLE_END: &str = "
    SELECT max(recipient_no) AS last FROM (
        SELECT r.recipient_no FROM recipients AS r
         WHERE (r.lane_no, r.recipient_no) > ($1, $2) AND r.lane_no = $1 AND r.kind = 'person'
         ORDER BY r.lane_no, r.recipient_no LIMIT $3) AS c";

/// In the order of the index of a lane's people and with a limit, $5 (there is none), so that no other index looks good.
pub(crate) const PEOPLE: &str = "
    UPDATE recipients AS r SET leaving = true
      FROM (SELECT b.recipient_no, b.in_directory, b.directory_round FROM recipients AS b
             WHERE (b.lane_no, b.recipient_no) > ($1, $2) AND (b.lane_no, b.recipient_no) <= ($1, $3)
               AND b.kind = 'person'
             ORDER BY b.lane_no, b.recipient_no LIMIT $5) AS l
     WHERE r.recipient_no = l.recipient_no AND l.in_directory AND l.directory_round <> $4";

const GROUPS: &str = "
    UPDATE directory_groups SET leaving = true WHERE lane_no = $1 AND in_directory AND round <> $2";

pub(crate) const MEMBERS_END: &str = "
    SELECT group_no, kind, member_no FROM directory_members
     WHERE lane_no = $1 AND (group_no, kind, member_no) > ($2, $3, $4)
     ORDER BY lane_no, group_no, kind, member_no LIMIT 1 OFFSET $5 - 1";

pub(crate) const MEMBERS: &str = "
    UPDATE directory_members SET leaving = true
     WHERE lane_no = $1 AND (group_no, kind, member_no) > ($2, $3, $4) AND (group_no, kind, member_no) <= ($5, $6, $7)
       AND round <> $8";

const COUNT: &str = "
    SELECT (SELECT count(*) FROM recipients
             WHERE lane_no = $1 AND kind = 'person' AND coalesce(in_directory, false)) AS people,
           (SELECT count(*) FROM directory_groups WHERE lane_no = $1 AND in_directory) AS groups,
           (SELECT count(*) FROM directory_members WHERE lane_no = $1) AS members,
           (SELECT count(*) FROM recipients WHERE lane_no = $1 AND leaving AND in_directory) AS gone_people,
           (SELECT count(*) FROM directory_groups
             WHERE lane_no = $1 AND leaving AND in_directory) AS gone_groups,
           (SELECT count(*) FROM directory_members WHERE lane_no = $1 AND leaving) AS gone_members";

pub(crate) const TAKE_PEOPLE: &str = "
    UPDATE recipients AS r
       SET in_directory = CASE WHEN r.in_directory THEN false ELSE r.in_directory END, leaving = NULL,
           left_directory_at = CASE WHEN r.in_directory THEN $2 ELSE r.left_directory_at END
      FROM (SELECT recipient_no FROM recipients WHERE lane_no = $1 AND leaving LIMIT $3) AS l
     WHERE r.recipient_no = l.recipient_no";

pub(crate) const TAKE_MEMBERS: &str = "
    DELETE FROM directory_members AS d
     USING (SELECT lane_no, group_no, kind, member_no FROM directory_members
             WHERE lane_no = $1 AND leaving LIMIT $2) AS l
     WHERE d.lane_no = l.lane_no AND d.group_no = l.group_no AND d.kind = l.kind AND d.member_no = l.member_no";

/// Its members stay: one that is restored has them again.
const TAKE_GROUPS: &str = "
    UPDATE directory_groups SET in_directory = false, leaving = false, left_at = $2
     WHERE lane_no = $1 AND leaving";

/// Whether nobody has written the copy since, and nobody does until the end of this transaction: a process that stood
/// still may have been taken over.
async fn is_ours(db: &mut Db<'_>, lane_no: i64, rev: i64) -> Result<bool, StoreError> {
    let row = sql("SELECT 1 FROM directory_copies WHERE lane_no = $1 AND rev = $2 FOR SHARE");
    Ok(db.row(row.bind(lane_no).bind(rev)).await?.is_some())
}

pub(crate) async fn compare(
    db: &mut Db<'_>,
    (lane_no, rev, round): (i64, i64, i64),
    from: &Compared,
) -> Result<Option<Compared>, StoreError> {
    if !is_ours(db, lane_no, rev).await? {
        return Ok(None);
    }
    Ok(Some(match from {
        Compared::People(after) => {
            let end = db.one(sql(PEOPLE_END).bind(lane_no).bind(after).bind(LOOKED_AT)).await?;
            let Some(last) = get::<Option<i64>>(&end, "last")? else { return Ok(Some(Compared::Groups)) };
            db.run(sql(PEOPLE).bind(lane_no).bind(after).bind(last).bind(round).bind(i64::MAX)).await?;
            Compared::People(last)
        }
        Compared::Groups => {
            db.run(sql(GROUPS).bind(lane_no).bind(round)).await?;
            Compared::Members(0, String::new(), 0)
        }
        Compared::Members(group_no, kind, member_no) => {
            let end = sql(MEMBERS_END).bind(lane_no).bind(group_no).bind(kind).bind(member_no);
            let end = db.row(end.bind(LOOKED_AT)).await?;
            let last = match &end {
                Some(end) => (get(end, "group_no")?, get(end, "kind")?, get(end, "member_no")?),
                None => (i64::MAX, String::new(), i64::MAX),
            };
            let marked = sql(MEMBERS).bind(lane_no).bind(group_no).bind(kind).bind(member_no);
            db.run(marked.bind(last.0).bind(&last.1).bind(last.2).bind(round)).await?;
            if end.is_none() {
                return Ok(None);
            }
            Compared::Members(last.0, last.1, last.2)
        }
    }))
}

/// How many are there, and how many of them are marked.
pub(crate) async fn count(db: &mut Db<'_>, lane_no: i64) -> Result<(CopyCounts, CopyCounts), StoreError> {
    counts(&db.one(sql(COUNT).bind(lane_no)).await?)
}

/// Whether there may be more.
pub(crate) async fn take_away(
    db: &mut Db<'_>,
    (lane_no, rev): (i64, i64),
    now: Time,
) -> Result<bool, StoreError> {
    if !is_ours(db, lane_no, rev).await? {
        return Ok(false);
    }
    let people = db.run(sql(TAKE_PEOPLE).bind(lane_no).bind(now.0).bind(TAKEN)).await? as i64;
    let members = db.run(sql(TAKE_MEMBERS).bind(lane_no).bind(TAKEN)).await? as i64;
    db.run(sql(TAKE_GROUPS).bind(lane_no).bind(now.0)).await?;
    db.run(sql("UPDATE directory_copies SET taken = taken + 1 WHERE lane_no = $1").bind(lane_no)).await?;
    Ok(people == TAKEN || members == TAKEN)
}

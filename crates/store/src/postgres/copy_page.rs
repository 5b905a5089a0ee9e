//! A page of a round of changes: who is there is written at once, who is gone is only marked.

use nuncio_domain::directory_copy::CopyPage;
use nuncio_domain::ports::StoreError;
use nuncio_domain::{RecipientKind, Time};

use super::commit::column;
use super::db::{Db, plain, plain_or_null, sql};
use super::recipients::add_recipients;
use crate::copies::{self, GROUP, Member, PERSON};

/// What was known and is not said now stays; the people are there.
pub(crate) const PEOPLE: &str = "
    UPDATE recipients AS r
       SET name = coalesce(j.name, r.name), upn = coalesce(j.upn, r.upn), mail = coalesce(j.mail, r.mail),
           guest = coalesce(j.guest, r.guest), external = coalesce(j.external, r.external),
           enabled = coalesce(j.enabled, r.enabled), licensed = coalesce(j.licensed, r.licensed),
           directory_at = $11, in_directory = true, left_directory_at = NULL, directory_round = $12, leaving = NULL
      FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::boolean[], $7::boolean[],
                  $8::boolean[], $9::boolean[], $10::text[])
        AS j (lane_no, key, name, upn, mail, guest, external, enabled, licensed, kind)
     WHERE r.lane_no = j.lane_no AND r.kind = j.kind AND r.key = j.key";

pub(crate) const GONE_PEOPLE: &str = "
    UPDATE recipients AS r SET leaving = true
      FROM unnest($1::bigint[], $2::text[], $3::text[]) AS j (lane_no, kind, key)
     WHERE r.lane_no = j.lane_no AND r.kind = j.kind AND r.key = j.key";

pub(crate) const GROUPS: &str = "
    INSERT INTO directory_groups (lane_no, key, name, kinds, in_directory, round)
    SELECT j.lane_no, j.key, j.name, j.kinds, true, $5
      FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[]) AS j (lane_no, key, name, kinds)
    ON CONFLICT (key, lane_no) DO UPDATE
       SET name = coalesce(excluded.name, directory_groups.name),
           kinds = coalesce(excluded.kinds, directory_groups.kinds), in_directory = true, left_at = NULL,
           round = excluded.round, leaving = false";

pub(crate) const GONE_GROUPS: &str = "
    UPDATE directory_groups AS g SET leaving = true
      FROM unnest($1::bigint[], $2::text[]) AS j (lane_no, key)
     WHERE g.lane_no = j.lane_no AND g.key = j.key";

/// Groups that are known as members before they are told themselves.
const MEMBER_GROUPS: &str = "
    INSERT INTO directory_groups (lane_no, key)
    SELECT j.lane_no, j.key FROM unnest($1::bigint[], $2::text[]) AS j (lane_no, key)
     WHERE NOT EXISTS (SELECT 1 FROM directory_groups AS g WHERE g.lane_no = j.lane_no AND g.key = j.key)
    ON CONFLICT (key, lane_no) DO NOTHING";

/// Rows of a lane: its number, the group, the kind, the member. Looked up one by one, whatever the planner thinks.
macro_rules! named {
    ($more:literal, $table:literal, $number:literal, $of_kind:literal) => {
        concat!(
            "SELECT j.lane_no, g.group_no, j.kind, m.member_no",
            $more,
            " FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[]) AS j (lane_no, grp, kind, key)
             CROSS JOIN LATERAL (SELECT b.group_no FROM directory_groups AS b
                                  WHERE b.lane_no = j.lane_no AND b.key = j.grp OFFSET 0) AS g
             CROSS JOIN LATERAL (SELECT b.",
            $number,
            " AS member_no FROM ",
            $table,
            " AS b WHERE b.lane_no = j.lane_no",
            $of_kind,
            " AND b.key = j.key OFFSET 0) AS m"
        )
    };
}

macro_rules! member {
    ($table:literal, $number:literal, $of_kind:literal) => {
        concat!(
            "INSERT INTO directory_members (lane_no, group_no, kind, member_no, round) ",
            named!(", $5", $table, $number, $of_kind),
            " ON CONFLICT (lane_no, group_no, kind, member_no) DO UPDATE SET round = excluded.round, leaving = false"
        )
    };
}
pub(crate) const PEOPLE_IN: &str = member!("recipients", "recipient_no", " AND b.kind = j.kind");
pub(crate) const GROUPS_IN: &str = member!("directory_groups", "group_no", "");

macro_rules! left {
    ($table:literal, $number:literal, $of_kind:literal) => {
        concat!(
            "UPDATE directory_members AS d SET leaving = true FROM (",
            named!("", $table, $number, $of_kind),
            " OFFSET 0) AS l
              WHERE d.lane_no = l.lane_no AND d.group_no = l.group_no AND d.kind = l.kind
                AND d.member_no = l.member_no"
        )
    };
}
pub(crate) const PEOPLE_OUT: &str = left!("recipients", "recipient_no", " AND b.kind = j.kind");
pub(crate) const GROUPS_OUT: &str = left!("directory_groups", "group_no", "");

pub(crate) async fn write(
    db: &mut Db<'_>,
    (lane_no, round): (i64, i64),
    page: &CopyPage,
    now: Time,
) -> Result<(), StoreError> {
    let people = copies::people(page);
    let person = RecipientKind::Person;
    if !people.is_empty() {
        add_recipients(db, &column(&people, |one| (lane_no, person, one.object_id.as_str()))).await?;
        let statement = sql(PEOPLE)
            .bind(column(&people, |_| lane_no))
            .bind(column(&people, |one| plain(&one.object_id)))
            .bind(column(&people, |one| plain_or_null(one.name.as_ref())))
            .bind(column(&people, |one| plain_or_null(one.upn.as_ref())))
            .bind(column(&people, |one| plain_or_null(one.mail.as_ref())))
            .bind(column(&people, |one| one.guest))
            .bind(column(&people, |one| one.external))
            .bind(column(&people, |one| one.enabled))
            .bind(column(&people, |one| one.licensed))
            .bind(column(&people, |_| person.as_str()))
            .bind(now.0)
            .bind(round);
        db.run(statement).await?;
    }
    let gone = &page.gone_people;
    if !gone.is_empty() {
        let statement = sql(GONE_PEOPLE).bind(column(gone, |_| lane_no)).bind(column(gone, |_| PERSON));
        db.run(statement.bind(column(gone, |id| plain(id)))).await?;
    }
    let groups = copies::groups(page);
    if !groups.is_empty() {
        let statement = sql(GROUPS)
            .bind(column(&groups, |_| lane_no))
            .bind(column(&groups, |group| plain(group.0)))
            .bind(column(&groups, |group| group.1.map(plain)))
            .bind(column(&groups, |group| group.2))
            .bind(round);
        db.run(statement).await?;
    }
    let gone = &page.gone_groups;
    if !gone.is_empty() {
        let statement = sql(GONE_GROUPS).bind(column(gone, |_| lane_no));
        db.run(statement.bind(column(gone, |id| plain(id)))).await?;
    }
    write_members(db, (lane_no, round), &copies::members(page)).await
}

async fn write_members(
    db: &mut Db<'_>,
    (lane_no, round): (i64, i64),
    members: &[Member<'_>],
) -> Result<(), StoreError> {
    let people = copies::keys(members, PERSON);
    if !people.is_empty() {
        add_recipients(db, &column(&people, |key| (lane_no, RecipientKind::Person, *key))).await?;
    }
    let groups = copies::keys(members, GROUP);
    if !groups.is_empty() {
        let statement = sql(MEMBER_GROUPS).bind(column(&groups, |_| lane_no));
        db.run(statement.bind(column(&groups, |key| plain(key)))).await?;
    }
    for (kind, there, left) in [(PERSON, PEOPLE_IN, PEOPLE_OUT), (GROUP, GROUPS_IN, GROUPS_OUT)] {
        for (statement, is_there) in [(there, true), (left, false)] {
            let of = |member: &&Member<'_>| member.kind == kind && member.there == is_there;
            let rows: Vec<&Member<'_>> = members.iter().filter(of).collect();
            if rows.is_empty() {
                continue;
            }
            let mut statement = sql(statement)
                .bind(column(&rows, |_| lane_no))
                .bind(column(&rows, |member| plain(member.group)))
                .bind(column(&rows, |_| kind))
                .bind(column(&rows, |member| plain(member.key)));
            if is_there {
                statement = statement.bind(round);
            }
            db.run(statement).await?;
        }
    }
    Ok(())
}

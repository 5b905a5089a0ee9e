-- A copy of the directory, kept up to date.

ALTER TABLE recipients ADD COLUMN mail TEXT;
-- 1 while the directory has them, 0 since they left; null where no copy has named them.
ALTER TABLE recipients ADD COLUMN in_directory INTEGER;
ALTER TABLE recipients ADD COLUMN left_directory_at INTEGER;
-- The last round that named them, and 1 where the round under way says that they are gone.
ALTER TABLE recipients ADD COLUMN directory_round INTEGER;
ALTER TABLE recipients ADD COLUMN leaving INTEGER;
CREATE INDEX recipients_of_upn ON recipients (lane_no, lower(upn)) WHERE in_directory = 1;
CREATE INDEX recipients_of_mail ON recipients (lane_no, lower(mail)) WHERE in_directory = 1;
CREATE INDEX recipients_leaving ON recipients (lane_no) WHERE leaving = 1;

CREATE TABLE directory_copies (
    lane_no     INTEGER PRIMARY KEY,
    -- Raised with every write of its task.
    rev         INTEGER NOT NULL DEFAULT 0,
    -- What an operator said and was not obeyed yet.
    word        TEXT,
    -- When it was last whole, and until when that is as good as the directory itself.
    complete_at INTEGER,
    fresh_until INTEGER,
    -- JSON: state, the round under way, links to the next changes, counts.
    status      TEXT NOT NULL DEFAULT '{}'
) STRICT;

CREATE TABLE directory_groups (
    group_no     INTEGER PRIMARY KEY,
    lane_no      INTEGER NOT NULL,
    -- Entra object id in lower case.
    key          TEXT NOT NULL,
    name         TEXT,
    -- Words: team, unified, security, mail, dynamic.
    kinds        TEXT,
    -- 0 of one that is only known as a member of another, or that has left.
    in_directory INTEGER NOT NULL DEFAULT 0,
    left_at      INTEGER,
    round        INTEGER NOT NULL DEFAULT 0,
    leaving      INTEGER NOT NULL DEFAULT 0,
    UNIQUE (lane_no, key)
) STRICT;

-- Direct members: a recipient_no of a person, or a group_no of a group.
CREATE TABLE directory_members (
    lane_no   INTEGER NOT NULL,
    group_no  INTEGER NOT NULL,
    kind      TEXT NOT NULL,
    member_no INTEGER NOT NULL,
    round     INTEGER NOT NULL,
    leaving   INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (lane_no, group_no, kind, member_no)
) STRICT, WITHOUT ROWID;
CREATE INDEX directory_members_leaving ON directory_members (lane_no) WHERE leaving = 1;

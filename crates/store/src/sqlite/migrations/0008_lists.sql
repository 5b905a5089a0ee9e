-- Lists of people that callers upload. Who is in one is in audience_members; the cursor and fetched_at of audience_lists
-- tell how far its names were looked up.
CREATE TABLE audiences (
    list_no    INTEGER PRIMARY KEY,
    id         BLOB NOT NULL UNIQUE,
    lane_no    INTEGER NOT NULL,
    key_no     INTEGER NOT NULL,
    name       TEXT,
    lines      INTEGER NOT NULL,
    blanks     INTEGER NOT NULL,
    duplicates INTEGER NOT NULL,
    people     INTEGER NOT NULL,
    -- Entries that are no object ids, how many of them were looked up, and how many of those are not one person.
    names      INTEGER NOT NULL,
    looked_up  INTEGER NOT NULL DEFAULT 0,
    unresolved INTEGER NOT NULL DEFAULT 0,
    -- Why the directory tells nothing.
    cause      TEXT,
    created_at INTEGER NOT NULL,
    -- When its last entry was stored: before, nobody sees it, nor after it was deleted.
    stored_at  INTEGER,
    deleted_at INTEGER
) STRICT;
CREATE INDEX audiences_with_names ON audiences (lane_no) WHERE looked_up < names;

-- Names that were not looked up yet, and those that are not exactly one person's.
CREATE TABLE audience_names (
    list_no INTEGER NOT NULL,
    line    INTEGER NOT NULL,
    name    TEXT NOT NULL,
    -- Whom the directory knows by it: nobody, or several. Null before it was asked.
    knows   TEXT,
    PRIMARY KEY (list_no, line)
) STRICT, WITHOUT ROWID;

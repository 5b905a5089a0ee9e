-- Lists of people that callers upload. Who is in one is in audience_members; the cursor and fetched_at of audience_lists
-- tell how far its names were looked up.
CREATE TABLE audiences (
    list_no    bigint PRIMARY KEY,
    lane_no    bigint NOT NULL,
    key_no     bigint NOT NULL,
    lines      bigint NOT NULL,
    blanks     bigint NOT NULL,
    duplicates bigint NOT NULL,
    people     bigint NOT NULL,
    -- Entries that are no object ids, how many of them were looked up, and how many of those are not one person.
    names      bigint NOT NULL,
    looked_up  bigint NOT NULL DEFAULT 0,
    unresolved bigint NOT NULL DEFAULT 0,
    created_at bigint NOT NULL,
    -- When its last entry was stored: before, nobody sees it, nor after it was deleted.
    stored_at  bigint,
    deleted_at bigint,
    id         uuid NOT NULL UNIQUE,
    name       text,
    -- Why the directory tells nothing.
    cause      text
);
CREATE INDEX audiences_with_names ON audiences (lane_no) WHERE looked_up < names;

-- Names that were not looked up yet, and those that are not exactly one person's.
CREATE TABLE audience_names (
    list_no bigint NOT NULL,
    line    bigint NOT NULL,
    name    text NOT NULL,
    -- Whom the directory knows by it: nobody, or several. Null before it was asked.
    knows   text,
    PRIMARY KEY (list_no, line)
);

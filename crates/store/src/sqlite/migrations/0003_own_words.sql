-- What the server says by itself, and to whom nothing is to be said.

ALTER TABLE messages ADD COLUMN purpose TEXT NOT NULL DEFAULT 'asked';
-- 1 while its list may still grow: until it is expanded.
ALTER TABLE messages ADD COLUMN gathers INTEGER NOT NULL DEFAULT 0;
CREATE INDEX messages_gathering ON messages (lane_no) WHERE gathers = 1;

-- A recipient is a person of one app in one tenant.
CREATE TABLE opt_outs (
    recipient_no INTEGER PRIMARY KEY,
    since        INTEGER NOT NULL,
    how          TEXT NOT NULL
) STRICT;

-- Who wrote something that got an answer, and when it did.
CREATE TABLE answered (
    recipient_no INTEGER PRIMARY KEY,
    at           INTEGER NOT NULL
) STRICT;

-- Who was welcomed: a person by object id, a team by its id. An install that we make for a message puts its row here
-- first, and so is not welcomed.
CREATE TABLE welcomes (
    lane_no    INTEGER NOT NULL,
    place      TEXT NOT NULL,
    at         INTEGER NOT NULL,
    -- The last removal since.
    removed_at INTEGER,
    PRIMARY KEY (lane_no, place)
) STRICT, WITHOUT ROWID;
CREATE INDEX welcomes_at ON welcomes (lane_no, at);

-- Times are microseconds since 1970 UTC. States, reasons and kinds are stored as their words.
-- No state is in any index of deliveries: the success path touches none (docs/engine.md, Tables).

CREATE TABLE lanes (
    lane_no     INTEGER PRIMARY KEY,
    app         TEXT NOT NULL,
    tenant      TEXT NOT NULL,
    -- The newest seen in this tenant.
    service_url TEXT,
    -- Raised with every control, for owners that look instead of being woken.
    control_rev INTEGER NOT NULL DEFAULT 0,
    -- JSON, written by the owner every two seconds.
    status      TEXT,
    UNIQUE (app, tenant)
) STRICT;

CREATE TABLE recipients (
    recipient_no INTEGER PRIMARY KEY,
    lane_no      INTEGER NOT NULL,
    kind         TEXT NOT NULL,
    -- Entra object id in lower case, or conversation id.
    key          TEXT NOT NULL,
    -- Null: its own number. A reply's thread is that of its channel.
    thread_no    INTEGER,
    mri          TEXT,
    name         TEXT,
    upn          TEXT,
    team_id      TEXT,
    team_name    TEXT,
    reach        TEXT NOT NULL DEFAULT 'unknown',
    reach_at     INTEGER,
    evidence     TEXT,
    -- 1 if the state was learned from an activity: an accepted call does not overwrite that one.
    reach_seen   INTEGER NOT NULL DEFAULT 0,
    UNIQUE (lane_no, kind, key)
) STRICT;
-- Expansion pages through the people of one lane; neither column ever changes.
CREATE INDEX recipients_of_lane ON recipients (lane_no, kind);

CREATE TABLE reach_history (
    recipient_no INTEGER NOT NULL,
    at           INTEGER NOT NULL,
    state        TEXT NOT NULL,
    evidence     TEXT NOT NULL
) STRICT;
CREATE INDEX reach_history_of_recipient ON reach_history (recipient_no);

CREATE TABLE conversations (
    reference_no    INTEGER PRIMARY KEY,
    lane_no         INTEGER NOT NULL,
    recipient_no    INTEGER NOT NULL,
    conversation_id TEXT NOT NULL,
    service_url     TEXT NOT NULL,
    origin          TEXT NOT NULL,
    seen_at         INTEGER NOT NULL,
    suspect_at      INTEGER,
    -- A recipient belongs to one lane, so that the lane need not be in here.
    UNIQUE (recipient_no, conversation_id)
) STRICT;

CREATE TABLE audience_lists (
    list_no    INTEGER PRIMARY KEY,
    lane_no    INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE audience_members (
    list_no      INTEGER NOT NULL,
    recipient_no INTEGER NOT NULL,
    PRIMARY KEY (list_no, recipient_no)
) STRICT, WITHOUT ROWID;

CREATE TABLE messages (
    -- Numbers are never used twice: deliveries carry them in their public ids.
    message_no     INTEGER PRIMARY KEY AUTOINCREMENT,
    id             BLOB NOT NULL UNIQUE,
    lane_no        INTEGER NOT NULL,
    key_no         INTEGER NOT NULL,
    class          TEXT NOT NULL,
    state          TEXT NOT NULL,
    control        TEXT,
    cause          TEXT,
    label          TEXT,
    content        TEXT NOT NULL,
    on_ambiguous   TEXT,
    max_recipients INTEGER NOT NULL,
    -- JSON list of sources, the one being read, and the last recipient read of it.
    sources        TEXT NOT NULL,
    source_no      INTEGER NOT NULL DEFAULT 0,
    source_after   INTEGER NOT NULL DEFAULT 0,
    -- The highest recipient_no at creation: the audience is "as of now".
    fence_at       INTEGER NOT NULL,
    audience_final INTEGER NOT NULL DEFAULT 0,
    send_at        INTEGER,
    expires_at     INTEGER NOT NULL,
    created_at     INTEGER NOT NULL,
    completed_at   INTEGER,
    -- What pending rows count as since it was closed: cancelled or expired.
    closed_to      TEXT,
    swept          INTEGER NOT NULL DEFAULT 1,
    sweep_after    INTEGER NOT NULL DEFAULT 0,
    -- 1 while there is anything left to do: not final, rows to sweep, or calls in flight.
    open           INTEGER NOT NULL DEFAULT 1
) STRICT;
CREATE INDEX messages_open ON messages (lane_no) WHERE open = 1;

CREATE TABLE message_exclusions (
    message_no INTEGER NOT NULL,
    key        TEXT NOT NULL,
    PRIMARY KEY (message_no, key)
) STRICT, WITHOUT ROWID;

-- The audience is the sum of all but duplicates_removed.
CREATE TABLE message_counts (
    message_no         INTEGER PRIMARY KEY,
    pending            INTEGER NOT NULL DEFAULT 0,
    in_flight          INTEGER NOT NULL DEFAULT 0,
    delivered          INTEGER NOT NULL DEFAULT 0,
    failed             INTEGER NOT NULL DEFAULT 0,
    skipped            INTEGER NOT NULL DEFAULT 0,
    ambiguous          INTEGER NOT NULL DEFAULT 0,
    cancelled          INTEGER NOT NULL DEFAULT 0,
    expired            INTEGER NOT NULL DEFAULT 0,
    duplicates_removed INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE message_reasons (
    message_no INTEGER NOT NULL,
    state      TEXT NOT NULL,
    reason     TEXT NOT NULL,
    n          INTEGER NOT NULL,
    PRIMARY KEY (message_no, state, reason)
) STRICT, WITHOUT ROWID;

-- Clustered by its key: rows are added, read and updated in that order.
CREATE TABLE deliveries (
    message_no   INTEGER NOT NULL,
    recipient_no INTEGER NOT NULL,
    thread_no    INTEGER NOT NULL,
    lane_no      INTEGER NOT NULL,
    state        TEXT NOT NULL,
    attempts     INTEGER NOT NULL DEFAULT 0,
    tries        INTEGER NOT NULL DEFAULT 0,
    resent       INTEGER NOT NULL DEFAULT 0,
    due_at       INTEGER,
    started_at   INTEGER,
    done_at      INTEGER,
    reference_no INTEGER,
    activity_id  TEXT,
    reason       TEXT,
    PRIMARY KEY (message_no, recipient_no)
) STRICT, WITHOUT ROWID;
CREATE INDEX deliveries_of_thread ON deliveries (thread_no, message_no);
-- Retries only.
CREATE INDEX deliveries_due ON deliveries (lane_no, due_at) WHERE due_at IS NOT NULL;

CREATE TABLE attempts (
    message_no   INTEGER NOT NULL,
    recipient_no INTEGER NOT NULL,
    n            INTEGER NOT NULL,
    call         TEXT NOT NULL,
    started_at   INTEGER NOT NULL,
    ended_at     INTEGER NOT NULL,
    outcome      TEXT NOT NULL,
    status       INTEGER,
    code         TEXT,
    text         TEXT,
    correlation  TEXT,
    PRIMARY KEY (message_no, recipient_no, n)
) STRICT, WITHOUT ROWID;

-- One row per batch and lane: what changed, for streams, hooks and audit. Kept for seven days.
CREATE TABLE commits (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    lane_no INTEGER NOT NULL,
    at      INTEGER NOT NULL,
    events  TEXT NOT NULL
) STRICT;

CREATE TABLE idempotency (
    key_no     INTEGER NOT NULL,
    key        TEXT NOT NULL,
    body_hash  BLOB NOT NULL,
    message_no INTEGER NOT NULL,
    at         INTEGER NOT NULL,
    PRIMARY KEY (key_no, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_at ON idempotency (at);

-- Activities that were taken, so that the same one sent again is dropped.
CREATE TABLE inbound_seen (
    lane_no         INTEGER NOT NULL,
    conversation_id TEXT NOT NULL,
    activity_id     TEXT NOT NULL,
    at              INTEGER NOT NULL,
    PRIMARY KEY (lane_no, conversation_id, activity_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX inbound_seen_at ON inbound_seen (at);

CREATE TABLE api_keys (
    key_no     INTEGER PRIMARY KEY,
    id         BLOB NOT NULL UNIQUE,
    name       TEXT NOT NULL,
    role       TEXT NOT NULL,
    app        TEXT,
    -- blake3 of the secret, which is nowhere.
    hash       BLOB NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT;

-- Something trivial to write, for readiness.
CREATE TABLE readiness (one INTEGER PRIMARY KEY, n INTEGER NOT NULL) STRICT;
INSERT INTO readiness VALUES (1, 0);

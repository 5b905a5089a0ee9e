-- Words about ambiguous deliveries and about lanes, and messages that try again.

-- Since when an operator holds it, and when one last let it go on.
ALTER TABLE lanes ADD COLUMN paused_at INTEGER;
ALTER TABLE lanes ADD COLUMN resumed_at INTEGER;

-- The message_no whose deliveries it tries again.
ALTER TABLE messages ADD COLUMN retries INTEGER;

-- A mailbox for the owner of the lane, who alone writes deliveries and counts; kept as history.
CREATE TABLE settlements (
    settlement_no INTEGER PRIMARY KEY,
    message_no    INTEGER NOT NULL,
    recipient_no  INTEGER NOT NULL,
    lane_no       INTEGER NOT NULL,
    verdict       TEXT NOT NULL,
    -- The post, where the evidence names it.
    activity_id   TEXT,
    -- Who said so, or what showed it, in words.
    evidence      TEXT NOT NULL,
    -- Null where nobody said it.
    key_no        INTEGER,
    at            INTEGER NOT NULL,
    done_at       INTEGER,
    -- 1 if it is what the delivery was settled by; 0 if that was not ambiguous any more.
    took          INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX settlements_open ON settlements (lane_no) WHERE done_at IS NULL;
CREATE INDEX settlements_of_delivery ON settlements (message_no, recipient_no);

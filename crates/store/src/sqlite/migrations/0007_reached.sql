-- Messages that wait for those whom nobody can reach now.

ALTER TABLE messages ADD COLUMN when_unreachable TEXT NOT NULL DEFAULT 'fail';
CREATE INDEX messages_wait ON messages (lane_no) WHERE open = 1 AND when_unreachable = 'wait';

-- Who can be reached again, while a message waits for somebody in their lane.
CREATE TABLE reached (
    lane_no      INTEGER NOT NULL,
    recipient_no INTEGER NOT NULL,
    at           INTEGER NOT NULL,
    PRIMARY KEY (lane_no, recipient_no)
) STRICT, WITHOUT ROWID;

-- Messages that wait for those whom nobody can reach now.

ALTER TABLE messages ADD COLUMN when_unreachable text NOT NULL DEFAULT 'fail';
CREATE INDEX messages_wait ON messages (lane_no, message_no) WHERE open AND when_unreachable = 'wait';

-- Who can be reached again, while a message waits for somebody in their lane.
CREATE TABLE reached (
    lane_no      bigint NOT NULL,
    recipient_no bigint NOT NULL,
    at           bigint NOT NULL,
    PRIMARY KEY (lane_no, recipient_no)
);

-- How it is known whether somebody can be reached, apart from the words for it. Null where a version before wrote a text
-- alone, which is read as what it meant.

ALTER TABLE recipients
    ADD COLUMN reach_status bigint,
    ADD COLUMN reach_how    text COLLATE "C",
    ADD COLUMN reach_code   text;

ALTER TABLE reach_history
    ADD COLUMN tx          xid8 NOT NULL DEFAULT pg_current_xact_id(),
    ADD COLUMN status      bigint,
    -- Whether it stands beside what was known and did not change it.
    ADD COLUMN contradicts boolean NOT NULL DEFAULT false,
    ADD COLUMN how         text COLLATE "C",
    ADD COLUMN code        text;
-- Changes in the order in which they became visible: numbers do so out of their order.
CREATE INDEX reach_history_in_order ON reach_history (tx, history_no);
-- Where changes since a time begin.
CREATE INDEX reach_history_at ON reach_history (at);

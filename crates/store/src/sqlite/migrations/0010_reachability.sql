-- How it is known whether somebody can be reached, apart from the words for it. Null where a version before wrote a text
-- alone, which is read as what it meant.

ALTER TABLE recipients ADD COLUMN reach_how TEXT;
ALTER TABLE recipients ADD COLUMN reach_status INTEGER;
ALTER TABLE recipients ADD COLUMN reach_code TEXT;

ALTER TABLE reach_history ADD COLUMN how TEXT;
ALTER TABLE reach_history ADD COLUMN status INTEGER;
ALTER TABLE reach_history ADD COLUMN code TEXT;
-- 1 if it stands beside what was known and did not change it.
ALTER TABLE reach_history ADD COLUMN contradicts INTEGER NOT NULL DEFAULT 0;
-- Where changes since a time begin.
CREATE INDEX reach_history_at ON reach_history (at);

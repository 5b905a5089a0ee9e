-- By Microsoft's clock: of a person, when the newest activity was sent that told whether they can be reached; of an entry of
-- the history, when it was sent, if something newer was known by then. Such an entry also stands beside what is known, so
-- that a version before this one does not take it for a change.
ALTER TABLE recipients ADD COLUMN reach_sent_at INTEGER;
ALTER TABLE reach_history ADD COLUMN sent_at INTEGER;

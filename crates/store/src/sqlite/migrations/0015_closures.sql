-- How often something was taken away from a copy of a directory: with rev, which copy it was that groups in groups were
-- worked out from.
ALTER TABLE directory_copies ADD COLUMN taken INTEGER NOT NULL DEFAULT 0;

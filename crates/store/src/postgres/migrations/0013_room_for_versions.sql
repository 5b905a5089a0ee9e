-- The versions of an intent and of an outcome fit beside the first one even where a batch takes all rows of a page, before
-- any of them can be tidied up. Of pages that are written from now on.
ALTER TABLE deliveries SET (fillfactor = 33);

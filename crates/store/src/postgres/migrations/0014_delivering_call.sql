-- Of the call that delivered it, which nearly all deliveries have no other than: it has no row in attempts. It started at
-- started_at and ended at done_at, and was accepted.
ALTER TABLE deliveries
    ADD COLUMN status      integer,
    ADD COLUMN call        text,
    ADD COLUMN correlation text;
-- Room for the last version, which is longer by that; of pages that are written from now on.
ALTER TABLE deliveries SET (fillfactor = 30);

-- Of the call that delivered it, which nearly all deliveries have no other than: it has no row in attempts. It started at
-- started_at and ended at done_at, and was accepted.
ALTER TABLE deliveries ADD COLUMN call TEXT;
ALTER TABLE deliveries ADD COLUMN status INTEGER;
ALTER TABLE deliveries ADD COLUMN correlation TEXT;

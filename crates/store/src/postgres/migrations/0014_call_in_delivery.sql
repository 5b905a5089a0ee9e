-- Of a delivery whose first post was accepted: when that call began, what it was answered, and under which name Microsoft
-- knows it. It ended when the delivery was done, and has no row of attempts.
ALTER TABLE deliveries
    ADD COLUMN called_at   bigint,
    ADD COLUMN status      integer,
    ADD COLUMN correlation text;
-- Room for the last version, which is longer by that; of pages that are written from now on.
ALTER TABLE deliveries SET (fillfactor = 30);

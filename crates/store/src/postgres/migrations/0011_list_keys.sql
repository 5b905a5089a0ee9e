-- What idempotency keys were used for when lists were uploaded. Apart from those of messages: a key counts for one kind of
-- request.
CREATE TABLE list_keys (
    key_no    bigint NOT NULL,
    key       text NOT NULL,
    body_hash bytea NOT NULL,
    list_no   bigint NOT NULL,
    at        bigint NOT NULL,
    PRIMARY KEY (key_no, key)
);

-- When nothing was left of a list that was deleted, or of one whose upload ended before its last entry was stored.
ALTER TABLE audiences ADD COLUMN wiped_at bigint;
CREATE INDEX audiences_to_wipe ON audiences (created_at)
    WHERE wiped_at IS NULL AND (stored_at IS NULL OR deleted_at IS NOT NULL);

-- Audiences that the directory knows.

-- What it last said of a person, and when; null where it said nothing.
ALTER TABLE recipients
    ADD COLUMN directory_at bigint,
    ADD COLUMN guest        boolean,
    ADD COLUMN external     boolean,
    ADD COLUMN enabled      boolean,
    ADD COLUMN licensed     boolean;

-- Kinds of people whom a message is also for, in words.
ALTER TABLE messages ADD COLUMN include text;

-- Of lists that are filled from the directory: the page that comes next, and when the last one came.
ALTER TABLE audience_lists
    ADD COLUMN fetched_at bigint,
    ADD COLUMN cursor     text;

-- Audiences that the directory knows.

-- What it last said of a person, and when; null where it said nothing.
ALTER TABLE recipients ADD COLUMN guest INTEGER;
ALTER TABLE recipients ADD COLUMN external INTEGER;
ALTER TABLE recipients ADD COLUMN enabled INTEGER;
ALTER TABLE recipients ADD COLUMN licensed INTEGER;
ALTER TABLE recipients ADD COLUMN directory_at INTEGER;

-- Kinds of people whom a message is also for, in words.
ALTER TABLE messages ADD COLUMN include TEXT;

-- Of lists that are filled from the directory: the page that comes next, and when the last one came.
ALTER TABLE audience_lists ADD COLUMN cursor TEXT;
ALTER TABLE audience_lists ADD COLUMN fetched_at INTEGER;

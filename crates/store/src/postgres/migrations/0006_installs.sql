-- Bringing the app to people, teams and chats.

-- Who is given the app before something is said to them, in a word; null: nobody.
ALTER TABLE messages ADD COLUMN install text;
-- Those that say nothing are listed by themselves.
CREATE INDEX messages_installs ON messages (message_no) WHERE purpose = 'install';
CREATE INDEX messages_surveys ON messages (message_no) WHERE purpose = 'survey';

ALTER TABLE api_keys ADD COLUMN may_install boolean NOT NULL DEFAULT false;

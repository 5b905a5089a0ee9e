-- Channels and chats are conversations too, and teams are known by themselves.

ALTER TABLE conversations ADD COLUMN kind TEXT NOT NULL DEFAULT 'personal';
CREATE INDEX conversations_of_id ON conversations (conversation_id);

ALTER TABLE recipients ADD COLUMN channel_kind TEXT;
-- A channel never changes its team.
CREATE INDEX recipients_of_team ON recipients (lane_no, team_id) WHERE team_id IS NOT NULL;

CREATE TABLE teams (
    team_no        INTEGER PRIMARY KEY,
    lane_no        INTEGER NOT NULL,
    -- The conversation id of its General channel.
    team_id        TEXT NOT NULL,
    name           TEXT,
    group_id       TEXT,
    state          TEXT NOT NULL DEFAULT 'active',
    state_at       INTEGER,
    evidence       TEXT,
    installed_at   INTEGER,
    -- A recipient_no.
    installed_by   INTEGER,
    picked_channel TEXT,
    service_url    TEXT NOT NULL,
    seen_at        INTEGER NOT NULL,
    UNIQUE (lane_no, team_id)
) STRICT;

-- What the version before had learned of channels and their teams.
INSERT INTO conversations (lane_no, recipient_no, conversation_id, service_url, origin, seen_at, kind)
SELECT r.lane_no, r.recipient_no, r.key, coalesce(l.service_url, ''), 'inbound', coalesce(r.reach_at, 0), 'channel'
  FROM recipients AS r JOIN lanes AS l ON l.lane_no = r.lane_no
 WHERE r.kind = 'channel' AND r.team_id IS NOT NULL;
INSERT INTO teams (lane_no, team_id, name, service_url, seen_at)
SELECT r.lane_no, r.team_id, max(r.team_name), coalesce(l.service_url, ''), max(coalesce(r.reach_at, 0))
  FROM recipients AS r JOIN lanes AS l ON l.lane_no = r.lane_no
 WHERE r.team_id IS NOT NULL GROUP BY r.lane_no, r.team_id;

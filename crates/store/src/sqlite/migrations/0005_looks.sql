-- What a look of an owner reads again although it has seen it: messages that were told something, or still gather.
CREATE INDEX messages_told ON messages (lane_no) WHERE open = 1 AND (control IS NOT NULL OR gathers = 1);

-- An owner looks at the channels and chats of its lane before it says anything there. The condition is written so that no
-- other statement takes this index for a better one.
CREATE INDEX places_of_lane ON recipients (lane_no, recipient_no) WHERE (kind = 'person') IS FALSE;

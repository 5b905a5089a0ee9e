-- Threads of channels, by the channel whose reachability they share.
CREATE INDEX recipients_of_thread ON recipients (thread_no) WHERE thread_no IS NOT NULL;

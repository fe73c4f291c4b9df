-- Lists read their rows from an index in the order they show them, without sorting.

-- The instance owner's list of all channels, and the search in it.
CREATE INDEX channels_by_last_use ON channels (last_used_at, id, search_text);

-- Messages about an event, and about one answer; those of one moment are in order too.
DROP INDEX messages_by_event;
CREATE INDEX messages_by_event ON messages (event_id);
CREATE INDEX messages_about_event ON messages (event_id, created_at, id) WHERE rsvp_id IS NULL;
DROP INDEX messages_by_rsvp;
CREATE INDEX messages_by_rsvp ON messages (rsvp_id, created_at, id);

-- Past events that are on no list any more are passed over without looking at them.
DROP INDEX events_public_by_over;
CREATE INDEX events_public_by_over ON events (over_at, starts_at, id, unlisted_at) WHERE NOT is_private;

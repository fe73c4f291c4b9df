-- Channels: found by name, and listed in several orders.

-- Name and slug as they are searched (domain::text::fold). NULL is "not folded yet": a version of the program that
-- knows nothing of it wrote the row. Each start fills it in.
ALTER TABLE channels ADD COLUMN search_text TEXT;

CREATE INDEX channels_unfolded ON channels (id) WHERE search_text IS NULL;
-- The order of rank is that of purgeable_at: what fades later is worth more now.
CREATE INDEX channels_by_rank ON channels (purgeable_at, last_used_at, id) WHERE visibility = 'public';
CREATE INDEX channels_by_name ON channels (search_text, id) WHERE visibility = 'public';
CREATE INDEX channels_by_use ON channels (last_used_at, id) WHERE visibility = 'public';
CREATE INDEX events_by_channel_over ON events (channel_id, over_at) WHERE NOT is_private;

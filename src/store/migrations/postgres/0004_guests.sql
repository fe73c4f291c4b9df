-- The guest list: found by name, and read page by page.

-- The name as it is searched (domain::text::fold). NULL is "not folded yet": a version of the program that knows
-- nothing of it wrote the row. Each start fills it in.
ALTER TABLE rsvps ADD COLUMN folded_name TEXT COLLATE "C";

CREATE INDEX rsvps_unfolded ON rsvps (id) WHERE folded_name IS NULL;

-- A page of the guest list is a slice of this.
CREATE INDEX rsvps_by_turn ON rsvps (event_id, approval, reply, created_at, id);

-- Events found by title, for the instance owner.

-- Title and id as they are searched (domain::text::fold). NULL is "not folded yet": a version of the program that knows
-- nothing of it wrote the row. Each start fills it in.
ALTER TABLE events ADD COLUMN search_text TEXT;

CREATE INDEX events_unfolded ON events (id) WHERE search_text IS NULL;
DROP INDEX events_by_creation;
CREATE INDEX events_by_creation ON events (created_at, id, search_text);

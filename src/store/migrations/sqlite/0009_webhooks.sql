-- Where an event's new answers are sent. The secret is what both ends sign and check with, so it is kept as it is.
CREATE TABLE webhooks (
    id TEXT NOT NULL PRIMARY KEY,
    event_id TEXT NOT NULL REFERENCES events (id) ON DELETE CASCADE,
    url TEXT NOT NULL,
    secret BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    -- Since when nothing is sent, because what was sent did not arrive.
    paused_at INTEGER
) STRICT;

CREATE INDEX webhooks_by_event ON webhooks (event_id, id);

-- What was sent, and what became of it; the newest of each webhook are kept.
CREATE TABLE deliveries (
    id TEXT NOT NULL PRIMARY KEY,
    webhook_id TEXT NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    rsvp_id TEXT REFERENCES rsvps (id) ON DELETE CASCADE,
    occasion TEXT NOT NULL CHECK (occasion IN ('rsvp.created', 'test')),
    state TEXT NOT NULL CHECK (state IN ('waiting', 'delivered', 'failed')),
    attempts INTEGER NOT NULL,
    reason TEXT,
    created_at INTEGER NOT NULL,
    sent_at INTEGER
) STRICT;

CREATE INDEX deliveries_by_webhook ON deliveries (webhook_id, id);
CREATE INDEX deliveries_by_rsvp ON deliveries (rsvp_id);

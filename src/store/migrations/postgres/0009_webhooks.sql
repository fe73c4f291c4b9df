-- Where an event's new answers are sent. The secret is what both ends sign and check with, so it is kept as it is.
CREATE TABLE webhooks (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    event_id TEXT COLLATE "C" NOT NULL REFERENCES events (id) ON DELETE CASCADE,
    url TEXT COLLATE "C" NOT NULL,
    secret BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    -- Since when nothing is sent, because what was sent did not arrive.
    paused_at BIGINT
);

CREATE INDEX webhooks_by_event ON webhooks (event_id, id);

-- What was sent, and what became of it; the newest of each webhook are kept.
CREATE TABLE deliveries (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    webhook_id TEXT COLLATE "C" NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    rsvp_id TEXT COLLATE "C" REFERENCES rsvps (id) ON DELETE CASCADE,
    occasion TEXT COLLATE "C" NOT NULL CHECK (occasion IN ('rsvp.created', 'test')),
    state TEXT COLLATE "C" NOT NULL CHECK (state IN ('waiting', 'delivered', 'failed')),
    attempts BIGINT NOT NULL,
    reason TEXT COLLATE "C",
    created_at BIGINT NOT NULL,
    sent_at BIGINT
);

CREATE INDEX deliveries_by_webhook ON deliveries (webhook_id, id);
CREATE INDEX deliveries_by_rsvp ON deliveries (rsvp_id);

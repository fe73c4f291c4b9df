-- The ground: channels, events, answers, messages, and what the instance remembers.
-- Times are Unix microseconds. Tokens are kept as SHA-256 only.

CREATE TABLE channels (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL,
    slug TEXT COLLATE "C" NOT NULL UNIQUE,
    visibility TEXT COLLATE "C" NOT NULL CHECK (visibility IN ('public', 'private')),
    score DOUBLE PRECISION NOT NULL,
    scored_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT NOT NULL
);

CREATE TABLE events (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    organizer_token BYTEA NOT NULL UNIQUE,
    channel_id TEXT COLLATE "C" REFERENCES channels (id),
    title TEXT COLLATE "C" NOT NULL,
    description TEXT COLLATE "C",
    starts_at BIGINT NOT NULL,
    ends_at BIGINT,
    zone TEXT COLLATE "C" NOT NULL,
    location TEXT COLLATE "C",
    is_private BOOLEAN NOT NULL,
    approval_required BOOLEAN NOT NULL,
    rsvps_closed BOOLEAN NOT NULL,
    rsvps_close_at BIGINT,
    capacity BIGINT,
    score DOUBLE PRECISION NOT NULL,
    scored_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    modified_at BIGINT NOT NULL,
    accessed_at BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    sequence BIGINT NOT NULL,
    -- Derived, so that lists need no clock job: when the event is over, and from when on it is on
    -- no list. Written with every change of what they follow from.
    over_at BIGINT NOT NULL,
    unlisted_at BIGINT NOT NULL
);

-- Lists of public events read these alone: they hold all that decides whether an event is listed.
CREATE INDEX events_public_by_start ON events (starts_at, id, over_at, unlisted_at) WHERE NOT is_private;
CREATE INDEX events_public_by_over ON events (over_at, starts_at, id) WHERE NOT is_private;
CREATE INDEX events_by_channel ON events (channel_id, starts_at, id, unlisted_at, is_private);
CREATE INDEX events_by_creation ON events (created_at, id);

CREATE TABLE rsvps (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    event_id TEXT COLLATE "C" NOT NULL REFERENCES events (id) ON DELETE CASCADE,
    token BYTEA NOT NULL UNIQUE,
    name TEXT COLLATE "C" NOT NULL,
    pronouns TEXT COLLATE "C",
    reply TEXT COLLATE "C" NOT NULL CHECK (reply IN ('yes', 'maybe', 'no')),
    approval TEXT COLLATE "C" NOT NULL CHECK (approval IN ('pending', 'approved', 'rejected')),
    companions BIGINT NOT NULL CHECK (companions >= 0),
    is_private BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    modified_at BIGINT NOT NULL
);

-- Holds all that counting people needs.
CREATE INDEX rsvps_by_event ON rsvps (event_id, approval, reply, is_private, companions);

CREATE TABLE messages (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    event_id TEXT COLLATE "C" NOT NULL REFERENCES events (id) ON DELETE CASCADE,
    rsvp_id TEXT COLLATE "C" REFERENCES rsvps (id) ON DELETE CASCADE,
    author_id TEXT COLLATE "C",
    kind TEXT COLLATE "C" NOT NULL CHECK (kind IN ('event_update', 'event_internal', 'user_note', 'admin_note',
        'admin_message', 'rejection_reason', 'rsvp_created', 'rsvp_status_change', 'force_accept')),
    audience TEXT COLLATE "C" NOT NULL CHECK (audience IN ('public', 'attendee', 'admin')),
    content TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE INDEX messages_by_event ON messages (event_id, rsvp_id, created_at);
CREATE INDEX messages_by_rsvp ON messages (rsvp_id, created_at);

-- What the instance remembers about itself: one row a fact.
CREATE TABLE meta (
    key TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    value TEXT COLLATE "C" NOT NULL,
    updated_at BIGINT NOT NULL
);

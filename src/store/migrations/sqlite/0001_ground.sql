-- The ground: channels, events, answers, messages, and what the instance remembers.
-- Times are Unix microseconds. Tokens are kept as SHA-256 only.

CREATE TABLE channels (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    slug TEXT NOT NULL UNIQUE,
    visibility TEXT NOT NULL CHECK (visibility IN ('public', 'private')),
    score REAL NOT NULL,
    scored_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    last_used_at INTEGER NOT NULL
) STRICT;

CREATE TABLE events (
    id TEXT NOT NULL PRIMARY KEY,
    organizer_token BLOB NOT NULL UNIQUE,
    channel_id TEXT REFERENCES channels (id),
    title TEXT NOT NULL,
    description TEXT,
    starts_at INTEGER NOT NULL,
    ends_at INTEGER,
    zone TEXT NOT NULL,
    location TEXT,
    is_private INTEGER NOT NULL CHECK (is_private IN (0, 1)),
    approval_required INTEGER NOT NULL CHECK (approval_required IN (0, 1)),
    rsvps_closed INTEGER NOT NULL CHECK (rsvps_closed IN (0, 1)),
    rsvps_close_at INTEGER,
    capacity INTEGER,
    score REAL NOT NULL,
    scored_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    modified_at INTEGER NOT NULL,
    accessed_at INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    -- Derived, so that lists need no clock job: when the event is over, and from when on it is on
    -- no list. Written with every change of what they follow from.
    over_at INTEGER NOT NULL,
    unlisted_at INTEGER NOT NULL
) STRICT;

-- Lists of public events read these alone: they hold all that decides whether an event is listed.
CREATE INDEX events_public_by_start ON events (starts_at, id, over_at, unlisted_at) WHERE NOT is_private;
CREATE INDEX events_public_by_over ON events (over_at, starts_at, id) WHERE NOT is_private;
CREATE INDEX events_by_channel ON events (channel_id, starts_at, id, unlisted_at, is_private);
CREATE INDEX events_by_creation ON events (created_at, id);

CREATE TABLE rsvps (
    id TEXT NOT NULL PRIMARY KEY,
    event_id TEXT NOT NULL REFERENCES events (id) ON DELETE CASCADE,
    token BLOB NOT NULL UNIQUE,
    name TEXT NOT NULL,
    pronouns TEXT,
    reply TEXT NOT NULL CHECK (reply IN ('yes', 'maybe', 'no')),
    approval TEXT NOT NULL CHECK (approval IN ('pending', 'approved', 'rejected')),
    companions INTEGER NOT NULL CHECK (companions >= 0),
    is_private INTEGER NOT NULL CHECK (is_private IN (0, 1)),
    created_at INTEGER NOT NULL,
    modified_at INTEGER NOT NULL
) STRICT;

-- Holds all that counting people needs.
CREATE INDEX rsvps_by_event ON rsvps (event_id, approval, reply, is_private, companions);

CREATE TABLE messages (
    id TEXT NOT NULL PRIMARY KEY,
    event_id TEXT NOT NULL REFERENCES events (id) ON DELETE CASCADE,
    rsvp_id TEXT REFERENCES rsvps (id) ON DELETE CASCADE,
    author_id TEXT,
    kind TEXT NOT NULL CHECK (kind IN ('event_update', 'event_internal', 'user_note', 'admin_note',
        'admin_message', 'rejection_reason', 'rsvp_created', 'rsvp_status_change', 'force_accept')),
    audience TEXT NOT NULL CHECK (audience IN ('public', 'attendee', 'admin')),
    content TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE INDEX messages_by_event ON messages (event_id, rsvp_id, created_at);
CREATE INDEX messages_by_rsvp ON messages (rsvp_id, created_at);

-- What the instance remembers about itself: one row a fact.
CREATE TABLE meta (
    key TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

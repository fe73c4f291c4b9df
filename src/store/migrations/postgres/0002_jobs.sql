-- Jobs: what may be purged when, what is to be closed when, and what ran.

-- Derived, like unlisted_at, so that the decay cycle looks at nothing whose time has not come. It only says where to
-- look: the rule is asked again before anything goes. 0 is "not worked out yet".
ALTER TABLE events ADD COLUMN purgeable_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE channels ADD COLUMN purgeable_at BIGINT NOT NULL DEFAULT 0;

CREATE INDEX events_by_purge ON events (purgeable_at, id);
CREATE INDEX channels_by_purge ON channels (purgeable_at, id);
CREATE INDEX events_by_close ON events (rsvps_close_at, id) WHERE NOT rsvps_closed AND rsvps_close_at IS NOT NULL;

-- The runs of each job, numbered as they began: a clock may be set back, a number may not. Jobs come and go with
-- versions of the program, so their names are not checked.
CREATE TABLE job_runs (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    job TEXT COLLATE "C" NOT NULL,
    number BIGINT NOT NULL,
    started_at BIGINT NOT NULL,
    ended_at BIGINT,
    outcome TEXT COLLATE "C" NOT NULL CHECK (outcome IN ('running', 'done', 'stopped', 'failed', 'lost')),
    counts TEXT COLLATE "C" NOT NULL,
    reason TEXT COLLATE "C",
    UNIQUE (job, number)
);

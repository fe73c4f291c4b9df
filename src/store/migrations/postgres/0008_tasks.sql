-- Work that is owed: written in the transaction of the change that it follows from, done afterwards, by any process.
-- Kinds come and go with versions of the program, so their names are not checked.
CREATE TABLE tasks (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    kind TEXT COLLATE "C" NOT NULL,
    payload TEXT COLLATE "C" NOT NULL,
    -- While a task with this key waits, another one is not added.
    dedupe_key TEXT COLLATE "C",
    priority TEXT COLLATE "C" NOT NULL CHECK (priority IN ('high', 'normal', 'low')),
    state TEXT COLLATE "C" NOT NULL CHECK (state IN ('open', 'dead')),
    -- When it may be taken: its time, or the end of the lease of whoever is at it.
    due_at BIGINT NOT NULL,
    -- Whoever is at it; a new name each time it is taken.
    lease TEXT COLLATE "C",
    -- Asked for again while somebody was at it: what they read may be old.
    again BOOLEAN NOT NULL,
    attempts BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    failed_at BIGINT,
    reason TEXT COLLATE "C"
);

CREATE INDEX tasks_by_due ON tasks (priority, due_at, id) WHERE state = 'open';
CREATE UNIQUE INDEX tasks_by_key ON tasks (dedupe_key) WHERE state = 'open' AND dedupe_key IS NOT NULL;
CREATE INDEX tasks_by_state ON tasks (state, id);

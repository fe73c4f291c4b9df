-- What each client did lately, shared by all processes: until when it is busy, by a name that does not tell its address.
CREATE TABLE limits (
    client TEXT NOT NULL PRIMARY KEY,
    busy_until_at INTEGER NOT NULL
) STRICT;

CREATE INDEX limits_by_end ON limits (busy_until_at);

-- What each client did lately, shared by all processes: until when it is busy, by a name that does not tell its address.
CREATE TABLE limits (
    client TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    busy_until_at BIGINT NOT NULL
);

CREATE INDEX limits_by_end ON limits (busy_until_at);

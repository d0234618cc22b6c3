-- How often a client is told at most. 1: whoever is not sure that nothing was sent sends nothing.
ALTER TABLE logout_deliveries ADD COLUMN tries INTEGER NOT NULL DEFAULT 5;

-- What clients have to be told of their requests by back channel. A table of its own: a node that does not know of it yet
-- delivers whatever it finds among the logouts.
CREATE TABLE ciba_deliveries (
	id           TEXT    NOT NULL PRIMARY KEY, -- handle of the request, which holds what is told, sealed
	client_id    TEXT    NOT NULL,
	user_id      TEXT    NOT NULL,
	session_id   TEXT    NOT NULL,
	created_at   INTEGER NOT NULL,
	due_at       INTEGER NOT NULL, -- 0: delivered or given up
	delivered_at INTEGER NOT NULL,
	failure      TEXT    NOT NULL,
	attempts     INTEGER NOT NULL,
	tries        INTEGER NOT NULL
);
CREATE INDEX ciba_deliveries_due ON ciba_deliveries (client_id, due_at) WHERE due_at > 0;

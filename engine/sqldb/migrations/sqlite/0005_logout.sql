ALTER TABLE documents ADD COLUMN backchannel INTEGER NOT NULL DEFAULT 0; -- of a client: it is told when a session ends

CREATE TABLE logout_deliveries (
	id           TEXT    NOT NULL PRIMARY KEY,
	client_id    TEXT    NOT NULL,
	user_id      TEXT    NOT NULL,
	session_id   TEXT    NOT NULL,
	created_at   INTEGER NOT NULL,
	due_at       INTEGER NOT NULL, -- 0: delivered or given up
	delivered_at INTEGER NOT NULL,
	failure      TEXT    NOT NULL,
	attempts     INTEGER NOT NULL
);
CREATE INDEX logout_deliveries_due ON logout_deliveries (client_id, due_at) WHERE due_at > 0;

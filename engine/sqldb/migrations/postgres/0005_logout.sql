ALTER TABLE documents ADD COLUMN backchannel BIGINT NOT NULL DEFAULT 0; -- of a client: it is told when a session ends

CREATE TABLE logout_deliveries (
	id           TEXT COLLATE "C" NOT NULL PRIMARY KEY,
	client_id    TEXT COLLATE "C" NOT NULL,
	user_id      TEXT COLLATE "C" NOT NULL,
	session_id   TEXT COLLATE "C" NOT NULL,
	created_at   BIGINT NOT NULL,
	due_at       BIGINT NOT NULL, -- 0: delivered or given up
	delivered_at BIGINT NOT NULL,
	failure      TEXT COLLATE "C" NOT NULL,
	attempts     BIGINT NOT NULL
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX logout_deliveries_due ON logout_deliveries (client_id, due_at) WHERE due_at > 0;

-- How often a client is told at most. 1: whoever is not sure that nothing was sent sends nothing.
ALTER TABLE logout_deliveries ADD COLUMN tries BIGINT NOT NULL DEFAULT 5;

-- What clients have to be told of their requests by back channel. A table of its own: a node that does not know of it yet
-- delivers whatever it finds among the logouts.
CREATE TABLE ciba_deliveries (
	id           TEXT COLLATE "C" NOT NULL PRIMARY KEY, -- handle of the request, which holds what is told, sealed
	client_id    TEXT COLLATE "C" NOT NULL,
	user_id      TEXT COLLATE "C" NOT NULL,
	session_id   TEXT COLLATE "C" NOT NULL,
	created_at   BIGINT NOT NULL,
	due_at       BIGINT NOT NULL, -- 0: delivered or given up
	delivered_at BIGINT NOT NULL,
	failure      TEXT COLLATE "C" NOT NULL,
	attempts     BIGINT NOT NULL,
	tries        BIGINT NOT NULL
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX ciba_deliveries_due ON ciba_deliveries (client_id, due_at) WHERE due_at > 0;

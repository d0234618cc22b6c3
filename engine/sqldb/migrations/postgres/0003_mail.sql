ALTER TABLE users ADD COLUMN recovered_at BIGINT NOT NULL DEFAULT 0;

CREATE TABLE mail (
	id         TEXT COLLATE "C" NOT NULL PRIMARY KEY,
	user_id    TEXT COLLATE "C" NOT NULL,
	kind       TEXT COLLATE "C" NOT NULL,
	lang       TEXT COLLATE "C" NOT NULL,
	session_id TEXT COLLATE "C" NOT NULL,
	sealed     BYTEA NOT NULL,
	created_at BIGINT NOT NULL,
	due_at     BIGINT NOT NULL, -- 0: sent or given up
	sent_at    BIGINT NOT NULL,
	attempts   BIGINT NOT NULL
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX mail_due ON mail (due_at) WHERE due_at > 0;
CREATE INDEX mail_user ON mail (user_id);
CREATE INDEX mail_created ON mail (created_at, id);

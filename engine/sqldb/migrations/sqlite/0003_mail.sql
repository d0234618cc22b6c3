ALTER TABLE users ADD COLUMN recovered_at INTEGER NOT NULL DEFAULT 0;

CREATE TABLE mail (
	id         TEXT    NOT NULL PRIMARY KEY,
	user_id    TEXT    NOT NULL,
	kind       TEXT    NOT NULL,
	lang       TEXT    NOT NULL,
	session_id TEXT    NOT NULL,
	sealed     BLOB    NOT NULL,
	created_at INTEGER NOT NULL,
	due_at     INTEGER NOT NULL, -- 0: sent or given up
	sent_at    INTEGER NOT NULL,
	attempts   INTEGER NOT NULL
);
CREATE INDEX mail_due ON mail (due_at) WHERE due_at > 0;
CREATE INDEX mail_user ON mail (user_id);
CREATE INDEX mail_created ON mail (created_at, id);

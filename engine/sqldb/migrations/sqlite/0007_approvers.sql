-- Devices with which a person approves what happens elsewhere.
CREATE TABLE approvers (
	id         TEXT    NOT NULL PRIMARY KEY,
	user_id    TEXT    NOT NULL,
	kind       TEXT    NOT NULL, -- browser or app
	name       TEXT    NOT NULL,
	device     TEXT    NOT NULL, -- of a browser
	public_key BLOB    NOT NULL, -- of an app: public JWK
	attested   TEXT    NOT NULL,
	push       BLOB    NOT NULL, -- subscription, sealed; empty: none
	created_at INTEGER NOT NULL,
	used_at    INTEGER NOT NULL,
	pushed_at  INTEGER NOT NULL, -- last push that was delivered
	failed_at  INTEGER NOT NULL  -- last push that was not
);
CREATE INDEX approvers_user ON approvers (user_id, created_at);

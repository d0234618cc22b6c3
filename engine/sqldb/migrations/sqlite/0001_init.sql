-- Times are microseconds since 1970 UTC, 0 for "never". Lists are JSON arrays, '' for none.
-- Rows that are wide and come in no order of their key have a rowid: a new one goes to the end of the table,
-- and only its key to a random place (twice as fast for ephemeral). WITHOUT ROWID saves the second tree elsewhere.

CREATE TABLE ephemeral (
	key   BLOB    NOT NULL PRIMARY KEY,
	value BLOB    NOT NULL,
	exp   INTEGER NOT NULL,
	taken INTEGER NOT NULL DEFAULT 0 -- when
);
CREATE INDEX ephemeral_exp ON ephemeral (exp);

CREATE TABLE counters (
	key  BLOB    NOT NULL PRIMARY KEY,
	n    INTEGER NOT NULL,
	ends INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE audit (
	stream  TEXT    NOT NULL,
	seq     INTEGER NOT NULL,
	at      INTEGER NOT NULL,
	prev    BLOB    NOT NULL,
	hash    BLOB    NOT NULL,
	user_id TEXT    NOT NULL,
	type    TEXT    NOT NULL,
	body    BLOB    NOT NULL,
	PRIMARY KEY (stream, seq)
) WITHOUT ROWID;
CREATE INDEX audit_user ON audit (user_id, at) WHERE user_id <> '';

CREATE TABLE revisions (
	name TEXT    NOT NULL PRIMARY KEY,
	rev  INTEGER NOT NULL CHECK (rev >= 0)
) WITHOUT ROWID;
INSERT INTO revisions (name, rev) VALUES ('keys', 0), ('registry', 0);

CREATE TABLE signing_keys (
	id         TEXT    NOT NULL PRIMARY KEY,
	use        TEXT    NOT NULL,
	alg        TEXT    NOT NULL,
	state      TEXT    NOT NULL,
	sealed     BLOB    NOT NULL,
	public_jwk BLOB    NOT NULL,
	created_at INTEGER NOT NULL,
	active_at  INTEGER NOT NULL,
	retired_at INTEGER NOT NULL,
	remove_at  INTEGER NOT NULL
);

CREATE TABLE data_keys (
	id         TEXT    NOT NULL PRIMARY KEY,
	master     TEXT    NOT NULL,
	wrapped    BLOB    NOT NULL,
	created_at INTEGER NOT NULL
);

CREATE TABLE users (
	id             TEXT    NOT NULL PRIMARY KEY,
	username       TEXT    NOT NULL,
	email          TEXT    NOT NULL,
	email_verified INTEGER NOT NULL,
	claims         BLOB    NOT NULL,
	password_hash  TEXT    NOT NULL,
	totp           BLOB    NOT NULL,
	disabled       INTEGER NOT NULL,
	created_at     INTEGER NOT NULL,
	updated_at     INTEGER NOT NULL
);

CREATE TABLE user_identifiers (
	identifier TEXT NOT NULL PRIMARY KEY,
	user_id    TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX user_identifiers_user ON user_identifiers (user_id);

CREATE TABLE risk_profiles (
	user_id TEXT    NOT NULL PRIMARY KEY,
	blob    BLOB    NOT NULL,
	version INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE sessions (
	id           TEXT    NOT NULL PRIMARY KEY,
	user_id      TEXT    NOT NULL,
	device_id    TEXT    NOT NULL,
	auth_time    INTEGER NOT NULL,
	amr          TEXT    NOT NULL,
	assurance    INTEGER NOT NULL,
	raised       INTEGER NOT NULL,
	raised_until INTEGER NOT NULL,
	country      TEXT    NOT NULL,
	agent        TEXT    NOT NULL,
	created_at   INTEGER NOT NULL,
	last_seen    INTEGER NOT NULL,
	idle_until   INTEGER NOT NULL,
	expires_at   INTEGER NOT NULL,
	ended_at     INTEGER NOT NULL DEFAULT 0,
	end_reason   TEXT    NOT NULL DEFAULT '',
	secret_hash  BLOB    NOT NULL,
	prev_hash    BLOB    NOT NULL,
	prev_until   INTEGER NOT NULL,
	version      INTEGER NOT NULL
);
CREATE INDEX sessions_user ON sessions (user_id);

CREATE TABLE grants (
	id           TEXT    NOT NULL PRIMARY KEY,
	client_id    TEXT    NOT NULL,
	user_id      TEXT    NOT NULL,
	session_id   TEXT    NOT NULL,
	scope        TEXT    NOT NULL,
	resources    TEXT    NOT NULL,
	claims       BLOB    NOT NULL,
	nonce        BLOB    NOT NULL,
	assurance    INTEGER NOT NULL,
	amr          TEXT    NOT NULL,
	auth_time    INTEGER NOT NULL,
	offline      INTEGER NOT NULL,
	country      TEXT    NOT NULL,
	binding      TEXT    NOT NULL,
	created_at   INTEGER NOT NULL,
	expires_at   INTEGER NOT NULL,
	revoked_at   INTEGER NOT NULL,
	revoke_why   TEXT    NOT NULL,
	refresh_hash BLOB    NOT NULL,
	refresh_seq  INTEGER NOT NULL,
	rotated_at   INTEGER NOT NULL
);
CREATE INDEX grants_session ON grants (session_id) WHERE session_id <> '';
CREATE INDEX grants_user ON grants (user_id) WHERE user_id <> '';

CREATE TABLE consents (
	user_id    TEXT    NOT NULL,
	client_id  TEXT    NOT NULL,
	scope      TEXT    NOT NULL,
	resources  TEXT    NOT NULL,
	claims     TEXT    NOT NULL,
	host       TEXT    NOT NULL,
	created_at INTEGER NOT NULL,
	updated_at INTEGER NOT NULL,
	PRIMARY KEY (user_id, client_id)
) WITHOUT ROWID;

CREATE TABLE documents (
	kind       TEXT    NOT NULL, -- 'client' or 'resource'
	id         TEXT    NOT NULL,
	json       BLOB    NOT NULL,
	updated_at INTEGER NOT NULL,
	PRIMARY KEY (kind, id)
);

-- Times are microseconds since 1970 UTC, 0 for "never". Lists are JSON arrays, '' for none.
-- fillfactor leaves room for updates that touch no index (HOT).
-- Text sorts by bytes ("C"), as in SQLite and in Go, whatever the database's own collation is.

CREATE TABLE ephemeral (
	key   BYTEA NOT NULL PRIMARY KEY,
	value BYTEA NOT NULL,
	exp   BIGINT NOT NULL,
	taken BIGINT NOT NULL DEFAULT 0 -- when
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX ephemeral_exp ON ephemeral (exp);

CREATE TABLE counters (
	key  BYTEA NOT NULL PRIMARY KEY,
	n    BIGINT NOT NULL,
	ends BIGINT NOT NULL
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);

CREATE TABLE audit (
	stream  TEXT COLLATE "C" NOT NULL,
	seq     BIGINT NOT NULL,
	at      BIGINT NOT NULL,
	prev    BYTEA NOT NULL,
	hash    BYTEA NOT NULL,
	user_id TEXT COLLATE "C" NOT NULL,
	type    TEXT COLLATE "C" NOT NULL,
	body    BYTEA NOT NULL,
	PRIMARY KEY (stream, seq)
);
CREATE INDEX audit_user ON audit (user_id, at) WHERE user_id <> '';

CREATE TABLE revisions (
	name TEXT COLLATE "C" NOT NULL PRIMARY KEY,
	rev  BIGINT NOT NULL CHECK (rev >= 0)
);
INSERT INTO revisions (name, rev) VALUES ('keys', 0), ('registry', 0);

CREATE TABLE signing_keys (
	id         TEXT COLLATE "C" NOT NULL PRIMARY KEY,
	use        TEXT COLLATE "C" NOT NULL,
	alg        TEXT COLLATE "C" NOT NULL,
	state      TEXT COLLATE "C" NOT NULL,
	sealed     BYTEA NOT NULL,
	public_jwk BYTEA NOT NULL,
	created_at BIGINT NOT NULL,
	active_at  BIGINT NOT NULL,
	retired_at BIGINT NOT NULL,
	remove_at  BIGINT NOT NULL
);

CREATE TABLE data_keys (
	id         TEXT COLLATE "C" NOT NULL PRIMARY KEY,
	master     TEXT COLLATE "C" NOT NULL,
	wrapped    BYTEA NOT NULL,
	created_at BIGINT NOT NULL
);

CREATE TABLE users (
	id             TEXT COLLATE "C" NOT NULL PRIMARY KEY,
	username       TEXT COLLATE "C" NOT NULL,
	email          TEXT COLLATE "C" NOT NULL,
	email_verified BIGINT NOT NULL,
	claims         BYTEA NOT NULL,
	password_hash  TEXT COLLATE "C" NOT NULL,
	totp           BYTEA NOT NULL,
	disabled       BIGINT NOT NULL,
	created_at     BIGINT NOT NULL,
	updated_at     BIGINT NOT NULL
);

CREATE TABLE user_identifiers (
	identifier TEXT COLLATE "C" NOT NULL PRIMARY KEY,
	user_id    TEXT COLLATE "C" NOT NULL
);
CREATE INDEX user_identifiers_user ON user_identifiers (user_id);

CREATE TABLE risk_profiles (
	user_id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
	blob    BYTEA NOT NULL,
	version BIGINT NOT NULL
);

CREATE TABLE sessions (
	id           TEXT COLLATE "C" NOT NULL PRIMARY KEY,
	user_id      TEXT COLLATE "C" NOT NULL,
	device_id    TEXT COLLATE "C" NOT NULL,
	auth_time    BIGINT NOT NULL,
	amr          TEXT COLLATE "C" NOT NULL,
	assurance    BIGINT NOT NULL,
	raised       BIGINT NOT NULL,
	raised_until BIGINT NOT NULL,
	country      TEXT COLLATE "C" NOT NULL,
	agent        TEXT COLLATE "C" NOT NULL,
	created_at   BIGINT NOT NULL,
	last_seen    BIGINT NOT NULL,
	idle_until   BIGINT NOT NULL,
	expires_at   BIGINT NOT NULL,
	ended_at     BIGINT NOT NULL DEFAULT 0,
	end_reason   TEXT COLLATE "C" NOT NULL DEFAULT '',
	secret_hash  BYTEA NOT NULL,
	prev_hash    BYTEA NOT NULL,
	prev_until   BIGINT NOT NULL,
	version      BIGINT NOT NULL
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX sessions_user ON sessions (user_id);

CREATE TABLE grants (
	id           TEXT COLLATE "C" NOT NULL PRIMARY KEY,
	client_id    TEXT COLLATE "C" NOT NULL,
	user_id      TEXT COLLATE "C" NOT NULL,
	session_id   TEXT COLLATE "C" NOT NULL,
	scope        TEXT COLLATE "C" NOT NULL,
	resources    TEXT COLLATE "C" NOT NULL,
	claims       BYTEA NOT NULL,
	nonce        BYTEA NOT NULL,
	assurance    BIGINT NOT NULL,
	amr          TEXT COLLATE "C" NOT NULL,
	auth_time    BIGINT NOT NULL,
	offline      BIGINT NOT NULL,
	country      TEXT COLLATE "C" NOT NULL,
	binding      TEXT COLLATE "C" NOT NULL,
	created_at   BIGINT NOT NULL,
	expires_at   BIGINT NOT NULL,
	revoked_at   BIGINT NOT NULL,
	revoke_why   TEXT COLLATE "C" NOT NULL,
	refresh_hash BYTEA NOT NULL,
	refresh_seq  BIGINT NOT NULL,
	rotated_at   BIGINT NOT NULL
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX grants_session ON grants (session_id) WHERE session_id <> '';
CREATE INDEX grants_user ON grants (user_id) WHERE user_id <> '';

CREATE TABLE consents (
	user_id    TEXT COLLATE "C" NOT NULL,
	client_id  TEXT COLLATE "C" NOT NULL,
	scope      TEXT COLLATE "C" NOT NULL,
	resources  TEXT COLLATE "C" NOT NULL,
	claims     TEXT COLLATE "C" NOT NULL,
	host       TEXT COLLATE "C" NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	PRIMARY KEY (user_id, client_id)
);

CREATE TABLE documents (
	kind       TEXT COLLATE "C" NOT NULL, -- 'client' or 'resource'
	id         TEXT COLLATE "C" NOT NULL,
	json       BYTEA NOT NULL,
	updated_at BIGINT NOT NULL,
	PRIMARY KEY (kind, id)
);

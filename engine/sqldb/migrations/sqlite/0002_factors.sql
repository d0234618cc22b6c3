CREATE TABLE passkeys (
	id         BLOB    NOT NULL PRIMARY KEY,
	user_id    TEXT    NOT NULL,
	name       TEXT    NOT NULL,
	public_key BLOB    NOT NULL,
	alg        INTEGER NOT NULL,
	aaguid     BLOB    NOT NULL,
	attested   TEXT    NOT NULL,
	transports TEXT    NOT NULL,
	attachment TEXT    NOT NULL,
	sign_count INTEGER NOT NULL,
	synced     INTEGER NOT NULL,
	backed_up  INTEGER NOT NULL,
	verifies   INTEGER NOT NULL,
	suspect    INTEGER NOT NULL,
	created_at INTEGER NOT NULL,
	used_at    INTEGER NOT NULL,
	used_on    TEXT    NOT NULL
);
CREATE INDEX passkeys_user ON passkeys (user_id, created_at);

CREATE TABLE recovery_codes (
	user_id    TEXT    NOT NULL,
	hash       BLOB    NOT NULL,
	created_at INTEGER NOT NULL,
	used_at    INTEGER NOT NULL DEFAULT 0,
	PRIMARY KEY (user_id, hash)
) WITHOUT ROWID;

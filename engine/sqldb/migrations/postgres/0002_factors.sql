CREATE TABLE passkeys (
	id         BYTEA NOT NULL PRIMARY KEY,
	user_id    TEXT COLLATE "C" NOT NULL,
	name       TEXT COLLATE "C" NOT NULL,
	public_key BYTEA NOT NULL,
	alg        BIGINT NOT NULL,
	aaguid     BYTEA NOT NULL,
	attested   TEXT COLLATE "C" NOT NULL,
	transports TEXT COLLATE "C" NOT NULL,
	attachment TEXT COLLATE "C" NOT NULL,
	sign_count BIGINT NOT NULL,
	synced     BIGINT NOT NULL,
	backed_up  BIGINT NOT NULL,
	verifies   BIGINT NOT NULL,
	suspect    BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	used_at    BIGINT NOT NULL,
	used_on    TEXT COLLATE "C" NOT NULL
) WITH (fillfactor = 80);
CREATE INDEX passkeys_user ON passkeys (user_id, created_at);

CREATE TABLE recovery_codes (
	user_id    TEXT COLLATE "C" NOT NULL,
	hash       BYTEA NOT NULL,
	created_at BIGINT NOT NULL,
	used_at    BIGINT NOT NULL DEFAULT 0,
	PRIMARY KEY (user_id, hash)
);

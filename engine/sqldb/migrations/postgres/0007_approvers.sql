-- Devices with which a person approves what happens elsewhere.
CREATE TABLE approvers (
	id         TEXT COLLATE "C" NOT NULL PRIMARY KEY,
	user_id    TEXT COLLATE "C" NOT NULL,
	kind       TEXT COLLATE "C" NOT NULL, -- browser or app
	name       TEXT COLLATE "C" NOT NULL,
	device     TEXT COLLATE "C" NOT NULL, -- of a browser
	public_key BYTEA NOT NULL, -- of an app: public JWK
	attested   TEXT COLLATE "C" NOT NULL,
	push       BYTEA NOT NULL, -- subscription, sealed; empty: none
	created_at BIGINT NOT NULL,
	used_at    BIGINT NOT NULL,
	pushed_at  BIGINT NOT NULL, -- last push that was delivered
	failed_at  BIGINT NOT NULL  -- last push that was not
) WITH (fillfactor = 80);
CREATE INDEX approvers_user ON approvers (user_id, created_at);

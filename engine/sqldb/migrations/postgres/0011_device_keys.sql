-- Keys that devices prove, beside their cookie.
CREATE TABLE device_keys (
	user_id    TEXT COLLATE "C" NOT NULL,
	device_id  TEXT COLLATE "C" NOT NULL,
	id         TEXT COLLATE "C" NOT NULL, -- thumbprint
	level      BIGINT NOT NULL,
	public_key BYTEA NOT NULL, -- JWK
	created_at BIGINT NOT NULL,
	proved_at  BIGINT NOT NULL,
	PRIMARY KEY (user_id, device_id, id)
) WITH (fillfactor = 90);
CREATE INDEX device_keys_device ON device_keys (device_id, id);

-- Keys that devices prove, beside their cookie.
CREATE TABLE device_keys (
	user_id    TEXT    NOT NULL,
	device_id  TEXT    NOT NULL,
	id         TEXT    NOT NULL, -- thumbprint
	level      INTEGER NOT NULL,
	public_key BLOB    NOT NULL, -- JWK
	created_at INTEGER NOT NULL,
	proved_at  INTEGER NOT NULL,
	PRIMARY KEY (user_id, device_id, id)
);
CREATE INDEX device_keys_device ON device_keys (device_id, id);

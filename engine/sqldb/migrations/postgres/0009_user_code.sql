-- What people tell those whom they let ask them by back channel.
CREATE TABLE user_codes (
	user_id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
	sealed  BYTEA NOT NULL, -- hash, sealed
	set_at  BIGINT NOT NULL
);

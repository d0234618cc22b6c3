-- What people tell those whom they let ask them by back channel.
CREATE TABLE user_codes (
	user_id TEXT    NOT NULL PRIMARY KEY,
	sealed  BLOB    NOT NULL, -- hash, sealed
	set_at  INTEGER NOT NULL
);

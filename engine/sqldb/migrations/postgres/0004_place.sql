-- Where a session was used last, roughly: tenths of a degree, and the radius in km (0: not known).
ALTER TABLE sessions ADD COLUMN last_lat BIGINT NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN last_lon BIGINT NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN last_km BIGINT NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN last_country TEXT COLLATE "C"; -- NULL: as at sign-in

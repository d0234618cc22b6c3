-- Where a session was used last, roughly: tenths of a degree, and the radius in km (0: not known).
ALTER TABLE sessions ADD COLUMN last_lat INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN last_lon INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN last_km INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN last_country TEXT; -- NULL: as at sign-in

-- What the person did not allow of what a client asked for: it is not asked for again each time.
ALTER TABLE consents ADD COLUMN declined TEXT NOT NULL DEFAULT '';

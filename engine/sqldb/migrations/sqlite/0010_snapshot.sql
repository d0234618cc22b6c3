-- What a later decision compares with (JSON, '' for nothing), and the scope that the grants of a session do without.
ALTER TABLE sessions ADD COLUMN snapshot TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN limited TEXT NOT NULL DEFAULT ''; -- in order, each once
ALTER TABLE grants ADD COLUMN snapshot TEXT NOT NULL DEFAULT '';

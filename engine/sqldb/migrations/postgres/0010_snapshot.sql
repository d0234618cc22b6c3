-- What a later decision compares with (JSON, '' for nothing), and the scope that the grants of a session do without.
ALTER TABLE sessions ADD COLUMN snapshot TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN limited TEXT COLLATE "C" NOT NULL DEFAULT ''; -- in order, each once
ALTER TABLE grants ADD COLUMN snapshot TEXT COLLATE "C" NOT NULL DEFAULT '';

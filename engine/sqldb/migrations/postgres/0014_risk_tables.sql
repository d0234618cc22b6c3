-- What all nodes learn together about risk: few rows, each a blob with a version.
CREATE TABLE risk_tables (
	name    TEXT COLLATE "C" NOT NULL PRIMARY KEY,
	blob    BYTEA NOT NULL,
	version BIGINT NOT NULL
);

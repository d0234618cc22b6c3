-- What all nodes learn together about risk: few rows, each a blob with a version.
CREATE TABLE risk_tables (
	name    TEXT NOT NULL PRIMARY KEY,
	blob    BLOB NOT NULL,
	version INTEGER NOT NULL
) WITHOUT ROWID;

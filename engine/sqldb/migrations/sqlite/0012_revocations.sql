-- What ended or narrowed before it expired, for whoever holds tokens of it. Transactions that write here take turns, so
-- that numbers become visible in order.
CREATE TABLE revocations (
	seq   INTEGER PRIMARY KEY AUTOINCREMENT,
	at    BIGINT NOT NULL,
	until BIGINT NOT NULL, -- nobody needs it any longer
	kind  TEXT NOT NULL, -- session, grant, token, client or limit
	id    TEXT NOT NULL,
	scope TEXT NOT NULL -- of a limit
);

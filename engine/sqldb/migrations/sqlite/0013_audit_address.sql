-- The address beside an entry, and the salt of the commitment to it in the body: not part of the chain, so that they can be erased.
ALTER TABLE audit ADD COLUMN ip TEXT NOT NULL DEFAULT '';
ALTER TABLE audit ADD COLUMN ip_salt BLOB NOT NULL DEFAULT x'';
CREATE INDEX audit_address ON audit (at) WHERE ip <> '';

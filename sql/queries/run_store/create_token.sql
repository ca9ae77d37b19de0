-- $1 text  id
-- $2 text  name
-- $3 text  scope: read, trigger, admin
-- $4 text  SHA-256 of the whole token, hex
-- $5 text  who
-- $6 int   days that it is good for, or null: for ever
-- $7 int   live tokens at most, with this one
-- Returns expires_at; no row when there are so many already.
INSERT INTO tidesync.token (id, name, scope, sha256, created_by, expires_at)
SELECT $1, $2, $3, decode($4, 'hex'), $5, clock_timestamp() + make_interval(days => $6::int)
WHERE (
    SELECT count(*) FROM tidesync.token
    WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > clock_timestamp())) < $7::int
RETURNING to_char(expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS expires_at;

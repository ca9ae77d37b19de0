-- $1 text  id
-- $2 text  who
-- Returns id; no row when somebody else was faster.
UPDATE tidesync.token SET revoked_at = clock_timestamp(), revoked_by = $2 WHERE id = $1 AND revoked_at IS NULL
RETURNING id;

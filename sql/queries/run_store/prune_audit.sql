-- Forgets what is older than a year, which the guard of the table allows, and tokens that opened nothing for as long.
-- $1 int  rows at most, of each
-- Returns forgotten int: entries.
WITH tokens AS (
    DELETE FROM tidesync.token WHERE id IN (
        SELECT id FROM tidesync.token
        WHERE least(revoked_at, expires_at) < clock_timestamp() - interval '365 days' LIMIT $1::int)
)
SELECT tidesync.prune_audit($1::int) AS forgotten;

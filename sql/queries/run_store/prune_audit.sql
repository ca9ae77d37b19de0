-- Forgets what is older than a year, which the guard of the table allows, and tokens that opened nothing for as long.
-- $1 int  rows at most, of each
-- Returns forgotten int: entries.
WITH tokens AS (
    DELETE FROM tidesync.token WHERE id IN (
        SELECT id FROM tidesync.token
        WHERE least(revoked_at, expires_at) < clock_timestamp() - interval '365 days' LIMIT $1::int)
), forgotten AS (
    DELETE FROM tidesync.audit WHERE id IN (
        SELECT id FROM tidesync.audit WHERE at < clock_timestamp() - interval '365 days'
        ORDER BY at LIMIT $1::int FOR UPDATE SKIP LOCKED)
    RETURNING id
)
SELECT count(*)::int AS forgotten FROM forgotten;

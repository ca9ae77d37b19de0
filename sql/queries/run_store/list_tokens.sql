-- $1 int  rows at most
-- Returns id, name, scope, state (live, expired, revoked), created_at, created_by, expires_at, revoked_at, revoked_by,
-- last_used_at; newest first.
SELECT id, name, scope, created_by, revoked_by,
    CASE WHEN revoked_at IS NOT NULL THEN 'revoked'
        WHEN expires_at <= clock_timestamp() THEN 'expired' ELSE 'live' END AS state,
    to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS created_at,
    to_char(expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS expires_at,
    to_char(revoked_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS revoked_at,
    to_char(last_used_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS last_used_at
FROM tidesync.token t ORDER BY t.created_at DESC, id LIMIT $1::int;

-- The highest token that production has let pass.
-- Returns token bigint (0 when none has), job text and at text of it.
SELECT coalesce(max(lease_token), 0) AS token, (array_agg(job ORDER BY lease_token DESC))[1] AS job,
    to_char(max(at) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC"') AS at
FROM tidesync.fence;

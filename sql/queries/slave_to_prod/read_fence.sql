-- Who passed the fence last.
-- $1 text  job
-- Returns lease_token bigint, run_id uuid, at text; no row when nobody has.
SELECT lease_token, run_id, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"') AS at
FROM tidesync.fence WHERE job = $1;

-- Lets this run through unless a newer one has passed. Run first in the transaction that changes production: the row
-- lock also keeps two writers of one job apart.
-- $1 text    job
-- $2 bigint  lease token
-- $3 uuid    run
-- Returns lease_token; no row when a newer owner exists.
INSERT INTO tidesync.fence AS f (job, lease_token, run_id) VALUES ($1, $2::bigint, $3::uuid)
ON CONFLICT (job) DO UPDATE SET lease_token = EXCLUDED.lease_token, run_id = EXCLUDED.run_id, at = clock_timestamp()
WHERE f.lease_token <= EXCLUDED.lease_token
RETURNING lease_token;

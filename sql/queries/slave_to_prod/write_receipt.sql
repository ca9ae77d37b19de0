-- $1 uuid    run
-- $2 text    job
-- $3 bigint  lease token
-- $4 jsonb   summary: the report
INSERT INTO tidesync.applied (run_id, job, lease_token, summary) VALUES ($1::uuid, $2, $3::bigint, $4::jsonb);

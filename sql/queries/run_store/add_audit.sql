-- $1 text   who
-- $2 text   action: run.trigger, run.cancel, run.retry, job.pause, job.resume, token.create, token.revoke, schedule.…
-- $3 text   job, or null
-- $4 uuid   run, or null
-- $5 text   request id, or null
-- $6 text   from where, or null
-- $7 jsonb  what else there is to say
INSERT INTO tidesync.audit (actor, action, job, run_id, request_id, remote, detail)
VALUES ($1, $2, $3, $4::uuid, $5, $6, $7::jsonb);

-- Takes runs from workers that stopped beating: to be tried again after a pause that grows. One that lost its worker too
-- often (a run that kills its worker must not kill them all), has no more time, or nobody who wants it, gets no more than
-- a last look, at once: whether the attempt has succeeded nobody knows, and its worker may only sleep. A dry run changes
-- nothing and is over. They are not counted among the attempts that failed. A beat that commits first saves its run: the
-- row is locked, then looked at again. What a last look loses keeps the error for which its end is due.
-- $1 int  rows at most
-- Returns run_id, job, state, lease_owner, crashes, dry_run, message (of the error).
WITH lost AS (
    SELECT run_id, job, lease_token, lease_owner, crashes + 1 AS crashes, CASE
        WHEN end_due IS NOT NULL THEN end_due
        WHEN cancel_requested_at IS NOT NULL THEN 'cancelled'
        WHEN crashes + 1 >= max_crashes OR deadline_at < clock_timestamp() THEN 'dead' END AS due
    FROM tidesync.run WHERE state = 'running' AND lease_expires_at < clock_timestamp()
    ORDER BY lease_expires_at LIMIT $1::int FOR UPDATE SKIP LOCKED
), closed AS (
    UPDATE tidesync.attempt a SET ended_at = clock_timestamp(), outcome = 'lost'
    FROM lost WHERE a.run_id = lost.run_id AND a.lease_token = lost.lease_token AND a.ended_at IS NULL
), buried AS (
    UPDATE tidesync.run r SET
        state = CASE WHEN dry_run THEN coalesce(due, 'retry_wait') ELSE 'retry_wait' END,
        finished_at = CASE WHEN dry_run AND due IS NOT NULL THEN clock_timestamp() END,
        in_doubt = NOT dry_run, end_due = CASE WHEN NOT dry_run THEN due END,
        crashes = lost.crashes, attempt = attempt - 1,
        run_after = clock_timestamp() + CASE WHEN due IS NOT NULL THEN interval '0'
            ELSE least(interval '5 minutes', interval '1 second' * (2 ^ (lost.crashes - 1))) END,
        error = CASE WHEN r.end_due IS NOT NULL THEN r.error ELSE jsonb_build_object(
            'code', 'lost', 'message', format('the worker %s fell silent, %s times so far', lost.lease_owner, lost.crashes),
            'hint', 'its log says why, or the system''s: was it killed, was memory short?') END,
        progress = NULL, lease_owner = NULL, lease_token = NULL, lease_expires_at = NULL
    FROM lost WHERE r.run_id = lost.run_id
    RETURNING r.run_id, r.job, r.state, r.crashes, r.dry_run, coalesce(r.error ->> 'message', '') AS message, lost.lease_owner
)
SELECT run_id, job, state, lease_owner, crashes, dry_run, message FROM buried;

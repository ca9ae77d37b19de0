-- Whether the tick of a schedule was served: a run is under way that nobody wants stopped, one that wrote has succeeded
-- since just before it, or the fallback ran for it already, well or not (it must not run again and again).
-- $1 text  job name
-- $2 text  the slot
-- Returns run_id, state, trigger of the run that serves it; no row when none does.
SELECT run_id, state, trigger FROM tidesync.run
WHERE job = $1 AND NOT dry_run AND (
    state = 'queued'
    OR (state IN ('running', 'retry_wait') AND cancel_requested_at IS NULL AND end_due IS NULL)
    OR (state = 'succeeded' AND started_at >= $2::timestamptz - interval '2 minutes')
    OR (trigger = 'cronjob' AND slot = $2::timestamptz))
ORDER BY created_at DESC LIMIT 1;

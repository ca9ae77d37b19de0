-- How each job is doing.
-- $1 int  days that count as lately
-- Returns one row a job: name, slot_every_s, paused text (`by somebody since …: reason`, null when it is not),
-- last_success text and success_age_s (null for never), late boolean, scheduled boolean (a schedule or the fallback asks for it),
-- fallbacks int (runs that the fallback made lately),
-- dead int (lately), dead_code, dead_message and dead_run of the latest, dead_since_success boolean, waiting_s (how long
-- the longest has been due without a worker; null for none), lost_s (how long ago the lease of a run ended that is
-- still at work; null for none).
SELECT j.name, extract(epoch FROM j.slot_every)::bigint AS slot_every_s,
    'by ' || j.paused_by || ' since ' || to_char(j.paused_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC"') || ': '
        || j.paused_reason AS paused,
    to_char(success.at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC"') AS last_success,
    extract(epoch FROM clock_timestamp() - success.at)::bigint AS success_age_s,
    standing.late,
    EXISTS (SELECT FROM tidesync.run r WHERE r.job = j.name AND r.trigger IN ('qstash', 'cronjob')) AS scheduled,
    (SELECT count(*)::int FROM tidesync.run r WHERE r.job = j.name AND r.trigger = 'cronjob'
        AND r.created_at > clock_timestamp() - make_interval(days => $1::int)) AS fallbacks,
    (SELECT count(*)::int FROM tidesync.run r WHERE r.job = j.name AND r.state = 'dead'
        AND r.finished_at > clock_timestamp() - make_interval(days => $1::int)) AS dead,
    latest.error ->> 'code' AS dead_code, latest.error ->> 'message' AS dead_message, latest.run_id AS dead_run,
    coalesce(latest.finished_at > success.at, latest.run_id IS NOT NULL) AS dead_since_success,
    (SELECT extract(epoch FROM clock_timestamp() - min(r.run_after))::bigint FROM tidesync.run r
     WHERE r.job = j.name AND r.state IN ('queued', 'retry_wait') AND r.run_after < clock_timestamp()
       AND (r.dry_run OR j.paused_at IS NULL) AND NOT EXISTS (
           SELECT FROM tidesync.run b WHERE b.job = j.name AND b.state = 'running')) AS waiting_s,
    (SELECT extract(epoch FROM clock_timestamp() - min(r.lease_expires_at))::bigint FROM tidesync.run r
     WHERE r.job = j.name AND r.state = 'running' AND r.lease_expires_at < clock_timestamp()) AS lost_s
FROM tidesync.job j
JOIN tidesync.job_standing standing ON standing.name = j.name
LEFT JOIN LATERAL (
    SELECT finished_at AS at FROM tidesync.run r WHERE r.job = j.name AND r.state = 'succeeded' AND NOT r.dry_run
    ORDER BY finished_at DESC LIMIT 1) AS success ON true
LEFT JOIN LATERAL (
    SELECT run_id, error, finished_at FROM tidesync.run r WHERE r.job = j.name AND r.state = 'dead'
      AND r.finished_at > clock_timestamp() - make_interval(days => $1::int)
    ORDER BY finished_at DESC LIMIT 1) AS latest ON true
ORDER BY j.name;

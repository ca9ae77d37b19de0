-- $1 uuid  run
-- Returns one row, or none. `alive` is false for a running run whose worker stopped beating. `messages` holds the
-- ids of the first 20 messages that belong to it, as a JSON array.
-- `delivery_alarm` is the latest of its messages that QStash gave up, null when there is none.
SELECT run_id, job, state, trigger, actor, dry_run, attempt, progress, result, error,
    to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS created_at,
    to_char(started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS started_at,
    to_char(finished_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS finished_at,
    state = 'running' AND lease_expires_at >= clock_timestamp() AS alive,
    to_json(ARRAY(
        SELECT message_id FROM tidesync.message WHERE message.run_id = r.run_id
        ORDER BY first_seen, message_id LIMIT 20)) AS messages,
    (SELECT to_jsonb(a) || jsonb_build_object(
        'received_at', to_char(a.received_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))
     FROM tidesync.delivery_alarm a WHERE a.run_id = r.run_id ORDER BY a.received_at DESC LIMIT 1) AS delivery_alarm
FROM tidesync.run r WHERE run_id = $1::uuid;

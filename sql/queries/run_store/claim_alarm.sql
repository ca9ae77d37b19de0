-- Takes the alarm that has waited longest, for one try. Until that is over, or the claim has run out with its worker, no
-- other worker takes it.
-- $1 int  milliseconds that the claim holds
-- Returns alarm_id, type, made_at (ISO 8601), data jsonb, tries (with this one), now (unix seconds); no row when none is due.
UPDATE tidesync.alarm SET
    tries = tries + 1, next_try_at = clock_timestamp() + make_interval(secs => $1::int / 1000.0)
WHERE alarm_id = (
    SELECT alarm_id FROM tidesync.alarm
    WHERE sent_at IS NULL AND given_up_at IS NULL AND next_try_at <= clock_timestamp()
      AND made_at > clock_timestamp() - interval '1 day'
    ORDER BY next_try_at LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING alarm_id, type, tidesync.iso_time(made_at) AS made_at, data, tries,
    extract(epoch FROM clock_timestamp())::bigint AS now;

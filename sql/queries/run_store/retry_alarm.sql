-- The receiver does not have it, or did not say so. Where another worker has taken it since, that one decides.
-- $1 uuid  alarm
-- $2 int   tries, as they were claimed
-- $3 int   milliseconds until the next one
-- $4 text  why
UPDATE tidesync.alarm SET
    next_try_at = least(clock_timestamp() + make_interval(secs => $3::int / 1000.0), made_at + interval '1 day'),
    error = $4
WHERE alarm_id = $1::uuid AND tries = $2::int AND sent_at IS NULL;

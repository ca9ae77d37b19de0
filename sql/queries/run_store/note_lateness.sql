-- Writes down which jobs have become late, and which are so no longer. Of workers that look at once, one is told: the row
-- is locked, then looked at again.
-- Returns name, late boolean, last_success, expected_by, late_since (until now), because (why it is no longer late:
-- succeeded, paused, or expected_later, by other rules or after a pause); no row where nothing has changed.
UPDATE tidesync.job j SET late_since = CASE WHEN s.late THEN clock_timestamp() END
FROM tidesync.job_standing s
WHERE s.name = j.name AND s.late <> (j.late_since IS NOT NULL)
RETURNING j.name, s.late,
    to_char(s.last_success AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS last_success,
    to_char(s.expected_by AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS expected_by,
    to_char(s.late_since AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS late_since,
    CASE WHEN s.paused THEN 'paused' WHEN s.last_success > s.late_since THEN 'succeeded' ELSE 'expected_later' END
        AS because;

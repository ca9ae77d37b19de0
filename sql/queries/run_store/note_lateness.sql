-- Writes down which jobs have become late, and which are so no longer, and makes an alarm of it. Of workers that look at
-- once, one is told: the row is locked, then looked at again.
-- Returns name, late boolean, last_success, expected_by, late_since (until now), because (why it is no longer late:
-- succeeded, paused, or expected_later, by other rules or after a pause); no row where nothing has changed.
WITH changed AS (
    UPDATE tidesync.job j SET late_since = CASE WHEN s.late THEN clock_timestamp() END
    FROM tidesync.job_standing s
    WHERE s.name = j.name AND s.late <> (j.late_since IS NOT NULL)
    RETURNING j.name, s.late, tidesync.iso_time(s.last_success) AS last_success,
        tidesync.iso_time(s.expected_by) AS expected_by, tidesync.iso_time(s.late_since) AS late_since,
        CASE WHEN s.late THEN NULL WHEN s.paused THEN 'paused' WHEN s.last_success > s.late_since THEN 'succeeded'
            ELSE 'expected_later' END AS because
), alarms AS (
    INSERT INTO tidesync.alarm (type, data)
    SELECT CASE WHEN late THEN 'job.late' ELSE 'job.recovered' END,
        jsonb_build_object('job', name, 'last_success', last_success, 'expected_by', expected_by)
        || CASE WHEN late THEN jsonb_build_object('error', jsonb_build_object(
            'code', 'late',
            'message', format('%s is late: it last succeeded %s and had to again by %s',
                name, coalesce(last_success, 'never'), expected_by),
            'hint', '`tidesync runs` shows what the last runs ended with, or that there were none'))
        ELSE jsonb_build_object('late_since', late_since, 'because', because) END
    FROM changed
)
SELECT * FROM changed;

-- When a job is late. A job that nobody calls has no failed run that anyone could see.

ALTER TABLE tidesync.job
    ADD COLUMN grace         interval NOT NULL DEFAULT '1 hour' CHECK (grace >= interval '0'),
    ADD COLUMN registered_at timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN resumed_at    timestamptz,      -- after the last pause
    ADD COLUMN late_since    timestamptz;      -- when a worker noticed; null while the job is not late

CREATE INDEX run_dead ON tidesync.run (job, finished_at) WHERE state = 'dead';
CREATE INDEX message_new ON tidesync.message (source, first_seen);     -- never updated, unlike last_seen

-- Whether a job is late: its last run that wrote and ended well is older than one slot and its grace. Before the first one
-- counts when the job was made known; after a pause, when that ended. A paused job is never late.
CREATE VIEW tidesync.job_standing AS
SELECT name, last_success, expected_by, late_since, paused, NOT paused AND clock_timestamp() > expected_by AS late
FROM (
    SELECT j.name, j.late_since, j.paused_at IS NOT NULL AS paused, s.last_success,
        greatest(coalesce(s.last_success, j.registered_at), j.resumed_at) + j.slot_every + j.grace AS expected_by
    FROM tidesync.job j LEFT JOIN LATERAL (
        SELECT finished_at AS last_success FROM tidesync.run
        WHERE job = j.name AND state = 'succeeded' AND NOT dry_run ORDER BY created_at DESC LIMIT 1) s ON true) counted;

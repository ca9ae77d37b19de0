-- When a job is late, since a job that nobody calls has no failed run that anyone could see. And what people are told: an
-- alarm each, made in the very transaction that makes it true.

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

-- Alarms wait here until a worker has brought them to TIDESYNC_ALARM_URL, or a day has passed. Where no URL is set they
-- stay for people to look at, as long as runs do.
CREATE TABLE tidesync.alarm (
    alarm_id    uuid PRIMARY KEY DEFAULT gen_random_uuid(),     -- of the message, the same at every try
    type        text NOT NULL CHECK (type IN ('run.dead', 'delivery.failed', 'job.late', 'job.recovered')),
    made_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    data        jsonb NOT NULL,
    tries       int NOT NULL DEFAULT 0,
    next_try_at timestamptz NOT NULL DEFAULT clock_timestamp(), -- while one is under way: when another worker may try
    error       text,                                           -- of the last try that failed
    sent_at     timestamptz,
    given_up_at timestamptz,
    CONSTRAINT sent_or_given_up CHECK (sent_at IS NULL OR given_up_at IS NULL)
);
CREATE INDEX alarm_due ON tidesync.alarm (next_try_at) WHERE sent_at IS NULL AND given_up_at IS NULL;
CREATE INDEX alarm_history ON tidesync.alarm (made_at);

CREATE FUNCTION tidesync.iso_time(at timestamptz) RETURNS text LANGUAGE sql STABLE SET search_path = pg_catalog AS
$$ SELECT to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') $$;

-- Whichever statement ends a run as dead.
-- With the owner's rights: a right that somebody forgot to grant must not keep a run from ending.
CREATE FUNCTION tidesync.alarm_of_run() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO tidesync.alarm (type, data) VALUES ('run.dead', jsonb_build_object(
        'job', NEW.job, 'run', NEW.run_id, 'trigger', NEW.trigger, 'actor', NEW.actor, 'dry_run', NEW.dry_run,
        'attempts', NEW.attempt, 'crashes', NEW.crashes,
        'error', jsonb_build_object('code', NEW.error ->> 'code', 'message', left(NEW.error ->> 'message', 4000),
            'hint', left(NEW.error ->> 'hint', 1000)),
        'created_at', tidesync.iso_time(NEW.created_at), 'started_at', tidesync.iso_time(NEW.started_at),
        'finished_at', tidesync.iso_time(NEW.finished_at)));
    RETURN NULL;
END $$;
CREATE TRIGGER run_died AFTER UPDATE ON tidesync.run FOR EACH ROW
    WHEN (NEW.state = 'dead' AND OLD.state <> 'dead') EXECUTE FUNCTION tidesync.alarm_of_run();

-- What the last try was answered may be anybody's words, and is left out.
CREATE FUNCTION tidesync.alarm_of_delivery() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO tidesync.alarm (type, data) VALUES ('delivery.failed', jsonb_build_object(
        'job', (SELECT job FROM tidesync.run WHERE run_id = NEW.run_id), 'run', NEW.run_id, 'trigger', 'qstash',
        'message', NEW.source_message_id, 'schedule', nullif(NEW.schedule_id, ''), 'dlq_id', nullif(NEW.dlq_id, ''),
        'status', NEW.status, 'retried', NEW.retried, 'max_retries', NEW.max_retries,
        'received_at', tidesync.iso_time(NEW.received_at),
        'error', jsonb_build_object('code', 'delivery_failed',
            'message', 'QStash gave up on a message; the last try was answered ' || coalesce(NEW.status::text, 'nothing'),
            'hint', 'it will not be sent again: `tidesync runs` shows what is known of it')));
    RETURN NULL;
END $$;
CREATE TRIGGER delivery_failed AFTER INSERT ON tidesync.delivery_alarm FOR EACH ROW
    EXECUTE FUNCTION tidesync.alarm_of_delivery();

-- Runs that need no caller: every worker takes up what is due, buries what lost its worker, and lets a person pause,
-- cancel and redrive.

ALTER TABLE tidesync.job
    ADD COLUMN overlap       text NOT NULL DEFAULT 'forbid' CHECK (overlap IN ('forbid', 'queue_one')),
    ADD COLUMN slot_every    interval NOT NULL DEFAULT '6 hours' CHECK (slot_every >= interval '1 minute'),
    ADD COLUMN paused_at     timestamptz,
    ADD COLUMN paused_by     text,
    ADD COLUMN paused_reason text,
    ADD CONSTRAINT who_and_why_iff_paused CHECK (
        (paused_at IS NULL) = (paused_by IS NULL) AND (paused_at IS NULL) = (paused_reason IS NULL));

ALTER TABLE tidesync.run
    ADD COLUMN retry_of            uuid REFERENCES tidesync.run (run_id),   -- redrive: the dead run it makes up for
    ADD COLUMN slot                timestamptz,                             -- cronjob: the tick it stands in for
    ADD COLUMN max_attempts        int NOT NULL DEFAULT 5,                  -- failures that the job reported
    ADD COLUMN crashes             int NOT NULL DEFAULT 0,                  -- leases that ended without a word
    ADD COLUMN max_crashes         int NOT NULL DEFAULT 3,
    ADD COLUMN run_after           timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN deadline_at         timestamptz NOT NULL DEFAULT now() + interval '1 day',
    ADD COLUMN cancel_requested_at timestamptz,
    ADD COLUMN cancelled_by        text,
    DROP CONSTRAINT run_state_check,
    ADD CONSTRAINT run_state_check CHECK (
        state IN ('queued', 'running', 'retry_wait', 'succeeded', 'dead', 'cancelled', 'skipped')),
    DROP CONSTRAINT finished_iff_terminal,
    ADD CONSTRAINT finished_iff_terminal CHECK (
        (state IN ('succeeded', 'dead', 'cancelled', 'skipped')) = (finished_at IS NOT NULL)),
    ADD CONSTRAINT slot_iff_cronjob CHECK ((slot IS NOT NULL) = (trigger = 'cronjob')) NOT VALID;

-- One at work, one in line. A dry run changes nothing: it needs no turn.
DROP INDEX tidesync.run_one_active;
CREATE UNIQUE INDEX run_one_active ON tidesync.run (job) WHERE state IN ('running', 'retry_wait') AND NOT dry_run;
CREATE UNIQUE INDEX run_one_queued ON tidesync.run (job) WHERE state = 'queued' AND NOT dry_run;
CREATE UNIQUE INDEX run_one_fallback ON tidesync.run (job, slot) WHERE trigger = 'cronjob';
CREATE INDEX run_claimable ON tidesync.run (run_after) WHERE state IN ('queued', 'retry_wait');
CREATE INDEX run_leased ON tidesync.run (lease_expires_at) WHERE state = 'running';
CREATE INDEX run_of_job ON tidesync.run (job, created_at DESC);
CREATE INDEX run_over ON tidesync.run (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX run_redriven ON tidesync.run (retry_of) WHERE retry_of IS NOT NULL;

ALTER TABLE tidesync.message
    DROP CONSTRAINT message_decision_check,
    ADD CONSTRAINT message_decision_check CHECK (decision IN ('created', 'coalesced', 'queued', 'skipped'));

CREATE OR REPLACE FUNCTION tidesync.run_guard() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    IF OLD.state = NEW.state AND OLD.state IN ('queued', 'running', 'retry_wait') THEN
        RETURN NEW;
    END IF;
    IF (OLD.state, NEW.state) IN (
        ('queued', 'running'), ('queued', 'cancelled'), ('queued', 'dead'),
        ('running', 'succeeded'), ('running', 'retry_wait'), ('running', 'dead'), ('running', 'cancelled'),
        ('retry_wait', 'running'), ('retry_wait', 'cancelled'), ('retry_wait', 'dead')) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'illegal run transition % -> % (%)', OLD.state, NEW.state, OLD.run_id USING ERRCODE = 'P0409';
END $$;

-- A run as people and programs see it: times are ISO 8601 in UTC. `alive` is false for a running run whose worker stopped
-- beating; `messages` holds the ids of the first 20 messages that belong to it; `delivery_alarm` is the latest of them
-- that QStash gave up, null when there is none; `made` is created_at, for sorting.
CREATE VIEW tidesync.run_shown AS
SELECT run_id, job, state, trigger, actor, dry_run, attempt, crashes, retry_of, cancelled_by, progress, result, error,
    created_at AS made,
    to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS created_at,
    CASE WHEN state = 'retry_wait'
        THEN to_char(run_after AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') END AS run_after,
    to_char(started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS started_at,
    to_char(finished_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS finished_at,
    state = 'running' AND lease_expires_at >= clock_timestamp() AS alive,
    to_json(ARRAY(
        SELECT message_id FROM tidesync.message WHERE message.run_id = r.run_id
        ORDER BY first_seen, message_id LIMIT 20)) AS messages,
    (SELECT to_jsonb(a) || jsonb_build_object(
        'received_at', to_char(a.received_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))
     FROM tidesync.delivery_alarm a WHERE a.run_id = r.run_id ORDER BY a.received_at DESC LIMIT 1) AS delivery_alarm
FROM tidesync.run r;

-- The run store: which runs there were, what became of them, and which message belongs to which run.
-- Lives in schema tidesync of production's database, or of TIDESYNC_DATABASE_URL.

CREATE SEQUENCE tidesync.lease_token_seq;      -- the fencing token; only ever grows

CREATE TABLE tidesync.job (
    name text PRIMARY KEY CHECK (name ~ '^[a-z0-9][a-z0-9-]{0,62}$')
);

CREATE TABLE tidesync.run (
    run_id           uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    job              text NOT NULL REFERENCES tidesync.job (name),
    state            text NOT NULL CHECK (state IN ('queued', 'running', 'retry_wait', 'succeeded', 'dead', 'cancelled')),
    trigger          text NOT NULL CHECK (trigger IN ('qstash', 'manual', 'cronjob', 'redrive')),
    actor            text NOT NULL,            -- who asked: a schedule id, a token's name, cli
    params           jsonb NOT NULL DEFAULT '{}',
    dry_run          boolean NOT NULL DEFAULT false,
    attempt          int NOT NULL DEFAULT 0,
    lease_owner      text,
    lease_token      bigint,
    lease_expires_at timestamptz,
    heartbeat_at     timestamptz,
    progress         jsonb,
    result           jsonb,                    -- the report, once there is one
    error            jsonb,                    -- {code, message, hint} of the last failure
    created_at       timestamptz NOT NULL DEFAULT now(),
    started_at       timestamptz,
    finished_at      timestamptz,
    CONSTRAINT lease_iff_running CHECK (
        (state = 'running') = (lease_owner IS NOT NULL AND lease_token IS NOT NULL AND lease_expires_at IS NOT NULL)),
    CONSTRAINT finished_iff_terminal CHECK (
        (state IN ('succeeded', 'dead', 'cancelled')) = (finished_at IS NOT NULL))
);
CREATE UNIQUE INDEX run_one_active ON tidesync.run (job) WHERE state IN ('queued', 'running', 'retry_wait') AND NOT dry_run;  -- a dry run changes nothing: it needs no turn
CREATE INDEX run_history ON tidesync.run (created_at DESC);

-- Which run a delivery belongs to, for ever: one message id maps to exactly one run.
CREATE TABLE tidesync.message (
    source      text NOT NULL,
    message_id  text NOT NULL,
    run_id      uuid NOT NULL REFERENCES tidesync.run (run_id),
    decision    text NOT NULL CHECK (decision IN ('created', 'coalesced')),
    deliveries  int NOT NULL DEFAULT 1,
    body_sha256 bytea NOT NULL,
    first_seen  timestamptz NOT NULL DEFAULT now(),
    last_seen   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (source, message_id)
);
CREATE INDEX message_run ON tidesync.message (run_id);

-- The message id header of QStash is not signed, the token's jti is: the first message id seen with a jti keeps it.
CREATE TABLE tidesync.jti_seen (
    jti        text PRIMARY KEY,
    message_id text NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX jti_seen_expiry ON tidesync.jti_seen (expires_at);

CREATE TABLE tidesync.attempt (
    run_id      uuid NOT NULL REFERENCES tidesync.run (run_id),
    lease_token bigint NOT NULL,
    n           int NOT NULL,
    worker      text NOT NULL,
    started_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at    timestamptz,
    outcome     text CHECK (outcome IN ('succeeded', 'retry', 'dead', 'lost', 'released', 'cancelled')),
    error       jsonb,
    PRIMARY KEY (run_id, lease_token)
);

-- The state machine is the database's: a bug in a worker becomes an error, not a corrupt history.
CREATE FUNCTION tidesync.run_guard() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    IF OLD.state = NEW.state AND OLD.state IN ('queued', 'running', 'retry_wait') THEN
        RETURN NEW;
    END IF;
    IF (OLD.state, NEW.state) IN (
        ('queued', 'running'), ('queued', 'cancelled'),
        ('running', 'succeeded'), ('running', 'retry_wait'), ('running', 'dead'), ('running', 'cancelled'),
        ('retry_wait', 'running'), ('retry_wait', 'cancelled'), ('retry_wait', 'dead')) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'illegal run transition % -> % (%)', OLD.state, NEW.state, OLD.run_id USING ERRCODE = 'P0409';
END $$;
CREATE TRIGGER run_guard BEFORE UPDATE ON tidesync.run FOR EACH ROW EXECUTE FUNCTION tidesync.run_guard();

-- What the local scheduler holds. Everything it promised is in here before it answers: a restart loses nothing.
-- Times are set from one clock, the database's, handed to each statement, so that replicas agree and tests can set it.
CREATE SCHEMA IF NOT EXISTS tidesync_qstash; -- the record of versions is in it already

-- Who may publish. Tokens are settings and are not stored.
CREATE TABLE tidesync_qstash.account (
    account      text PRIMARY KEY,
    current_key  text NOT NULL,      -- signs
    next_key     text NOT NULL,      -- will sign after the next rotation
    given_sha256 bytea NOT NULL,     -- of the pair that the settings gave last: another pair there replaces this one
    rotated_at   timestamptz
);

CREATE TABLE tidesync_qstash.schedule (
    account     text NOT NULL REFERENCES tidesync_qstash.account,
    schedule_id text NOT NULL,
    cron        text NOT NULL,
    options     jsonb NOT NULL,      -- how its messages are delivered; qstash/local/message.hpp
    body        bytea NOT NULL,
    delay_s     int NOT NULL,        -- its messages are made at the tick and delivered this much later
    caller_ip   text NOT NULL,
    created_at  timestamptz NOT NULL,
    paused      boolean NOT NULL DEFAULT false,
    next_at     timestamptz,         -- null: the expression has no further tick
    last_at     timestamptz,
    PRIMARY KEY (account, schedule_id)
);
CREATE INDEX schedule_due ON tidesync_qstash.schedule (next_at) WHERE NOT paused;

CREATE TABLE tidesync_qstash.message (
    message_id  text PRIMARY KEY,
    account     text NOT NULL REFERENCES tidesync_qstash.account,
    schedule_id text,
    callback_of text,                -- the message whose attempt this one reports
    options     jsonb NOT NULL,
    host        text NOT NULL,           -- of the destination: no host may take all attempts for itself
    body        bytea NOT NULL,
    caller_ip   text NOT NULL,
    catch_up_of timestamptz,         -- the missed tick that this message makes up for
    created_at  timestamptz NOT NULL,
    not_before  timestamptz NOT NULL,
    state       text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'active', 'delivered', 'failed', 'canceled')),
    retried     int NOT NULL DEFAULT 0,
    due_at      timestamptz NOT NULL,    -- waiting: when the next attempt is due. active: when its lease ends
    lease_token bigint,                  -- of the attempt under way; an answer is recorded by its holder only
    cancel_requested boolean NOT NULL DEFAULT false,
    finished_at timestamptz,
    -- A message that failed for good stays in the dead letter queue, with the last answer, until it is taken out.
    dlq_id           text UNIQUE,       -- milliseconds, a dash, and the lease token of the last attempt, which orders them
    response_status  int,
    response_headers jsonb,
    response_body    bytea,
    CONSTRAINT leased_iff_active CHECK ((state = 'active') = (lease_token IS NOT NULL)),
    CONSTRAINT finished_iff_over CHECK ((state IN ('delivered', 'failed', 'canceled')) = (finished_at IS NOT NULL)),
    CONSTRAINT only_failures_in_dlq CHECK (dlq_id IS NULL OR state = 'failed')
);
CREATE INDEX message_due ON tidesync_qstash.message (due_at) WHERE state IN ('waiting', 'active');
CREATE UNIQUE INDEX message_leased ON tidesync_qstash.message (lease_token) WHERE lease_token IS NOT NULL;
CREATE INDEX message_of_schedule ON tidesync_qstash.message (account, schedule_id, created_at) WHERE schedule_id IS NOT NULL;
CREATE INDEX message_finished ON tidesync_qstash.message (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX message_dead ON tidesync_qstash.message (account, finished_at, message_id) WHERE dlq_id IS NOT NULL;
CREATE SEQUENCE tidesync_qstash.lease_token_seq;

CREATE TABLE tidesync_qstash.log (
    entry_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account     text NOT NULL,
    message_id  text NOT NULL REFERENCES tidesync_qstash.message ON DELETE CASCADE,
    at          timestamptz NOT NULL,
    state       text NOT NULL CHECK (state IN
        ('CREATED', 'ACTIVE', 'DELIVERED', 'ERROR', 'RETRY', 'FAILED', 'CANCEL_REQUESTED', 'CANCELED')),
    error            text,
    next_delivery_at timestamptz,
    response_status  int,
    response_headers jsonb,
    response_body    bytea
);
CREATE INDEX log_of_message ON tidesync_qstash.log (message_id, entry_id);
CREATE INDEX log_of_account ON tidesync_qstash.log (account, entry_id DESC);

-- A second publish with the same id is answered with the first one's message.
CREATE TABLE tidesync_qstash.deduplication (
    account          text NOT NULL,
    deduplication_id text NOT NULL,
    message_id       text NOT NULL,
    expires_at       timestamptz NOT NULL,
    PRIMARY KEY (account, deduplication_id)
);
CREATE INDEX deduplication_expiry ON tidesync_qstash.deduplication (expires_at);

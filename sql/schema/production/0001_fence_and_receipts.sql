-- What must live where the effect is: checked and written inside the transaction that changes production.

-- The highest token that has passed. A worker that was paused and wakes up holds a lower one and is refused.
CREATE TABLE tidesync.fence (
    job         text PRIMARY KEY,
    lease_token bigint NOT NULL,
    run_id      uuid NOT NULL,
    at          timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- One row per run that committed. After a COMMIT whose answer was lost, this row is the answer.
CREATE TABLE tidesync.applied (
    run_id      uuid PRIMARY KEY,
    job         text NOT NULL,
    lease_token bigint NOT NULL,
    summary     jsonb NOT NULL,
    at          timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- The one schema the worker may create tables in. Everything in it can be dropped at any time.
CREATE SCHEMA IF NOT EXISTS tidesync_staging;

-- Messages that QStash gave up, as its failure callback told. For people: nothing is decided by it.
CREATE TABLE tidesync.delivery_alarm (
    source_message_id text PRIMARY KEY,
    received_at       timestamptz NOT NULL DEFAULT now(),
    schedule_id       text NOT NULL,           -- here and below: empty or null when QStash did not say
    url               text NOT NULL,
    method            text NOT NULL,
    status            int,                     -- what the last try was answered
    retried           int,
    max_retries       int,
    dlq_id            text NOT NULL,
    response          text NOT NULL,           -- the start of the last answer's body
    run_id            uuid REFERENCES tidesync.run (run_id)    -- null when the message never reached us
);
CREATE INDEX delivery_alarm_history ON tidesync.delivery_alarm (received_at DESC);
CREATE INDEX delivery_alarm_run ON tidesync.delivery_alarm (run_id);

-- Creates or replaces: what is not given is cleared. A pause stays: a deployment that creates its schedule again must not
-- undo what a person did.
-- A tick that is due and was not made yet stays due, where the expression stays: a deployment may come at that moment.
-- $1 text    account
-- $2 text    schedule id
-- $3 text    cron
-- $4 jsonb   options
-- $5 text    body, hex
-- $6 int     delay, s
-- $7 text    caller's address
-- $8 bigint  now, ms
-- $9 bigint  next tick, ms, or null
INSERT INTO tidesync_qstash.schedule AS s
    (account, schedule_id, cron, options, body, delay_s, caller_ip, created_at, next_at)
VALUES ($1, $2, $3, $4::jsonb, decode($5, 'hex'), $6::int, $7, to_timestamp($8::bigint / 1000.0),
    to_timestamp($9::bigint / 1000.0))
ON CONFLICT (account, schedule_id) DO UPDATE SET
    cron = excluded.cron, options = excluded.options, body = excluded.body, delay_s = excluded.delay_s,
    caller_ip = excluded.caller_ip,
    next_at = CASE WHEN s.cron = excluded.cron AND NOT s.paused THEN least(s.next_at, excluded.next_at)
        ELSE excluded.next_at END;

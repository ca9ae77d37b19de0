-- For metrics: whether QStash still calls. Unix seconds, null where there was none.
-- Returns one row: last_delivery (of a message not seen before), last_failed (that QStash said it gave up), and
-- alarms_waiting int (to be brought to their receiver).
SELECT
    extract(epoch FROM (SELECT max(first_seen) FROM tidesync.message WHERE source = 'qstash')) AS last_delivery,
    extract(epoch FROM (SELECT max(received_at) FROM tidesync.delivery_alarm)) AS last_failed,
    (SELECT count(*) FROM tidesync.alarm
     WHERE sent_at IS NULL AND given_up_at IS NULL AND made_at > clock_timestamp() - interval '1 day')::int
        AS alarms_waiting;

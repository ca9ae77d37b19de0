-- For metrics: whether QStash still calls. Unix seconds, null where there was none.
-- Returns one row: last_delivery (of a message not seen before), last_failed (that QStash said it gave up).
SELECT
    extract(epoch FROM (SELECT max(first_seen) FROM tidesync.message WHERE source = 'qstash')) AS last_delivery,
    extract(epoch FROM (SELECT max(received_at) FROM tidesync.delivery_alarm)) AS last_failed;

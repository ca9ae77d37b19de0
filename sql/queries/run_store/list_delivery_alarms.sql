-- $1 int  rows at most
-- Returns alarm jsonb: the row, with received_at as every document writes a time. Newest first.
SELECT to_jsonb(a) || jsonb_build_object(
    'received_at', to_char(a.received_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')) AS alarm
FROM tidesync.delivery_alarm a ORDER BY a.received_at DESC, a.source_message_id LIMIT $1::int;

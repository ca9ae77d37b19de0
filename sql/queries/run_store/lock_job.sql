-- Serialises the accepts of one job. A row lock, so it ends with the transaction whatever a pooler does.
-- $1 text  job name
-- Returns overlap, paused_by, paused_reason, slot (the last tick of its schedule, now); no row for an unknown job.
SELECT overlap, paused_by, paused_reason,
    to_char(date_bin(slot_every, clock_timestamp(), 'epoch') AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS slot
FROM tidesync.job WHERE name = $1 FOR UPDATE;

-- $1 bigint    now, ms
-- $2 int       lease, ms
-- $3 bigint[]  lease tokens of the attempts under way
UPDATE tidesync_qstash.message SET due_at = to_timestamp(($1::bigint + $2::int) / 1000.0)
WHERE state = 'active' AND lease_token = ANY ($3::bigint[]);

-- $1 int  rows at most
-- Returns id, at, actor, action, job, run_id, request_id, remote, detail; newest first.
SELECT id, actor, action, job, run_id, request_id, remote, detail,
    to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS at
FROM tidesync.audit a ORDER BY a.at DESC, id DESC LIMIT $1::int;

-- Who serves this transaction, and whether a setting of the session is still there.
-- Returns pid int, word text: null where nobody set it in this session.
SELECT pg_backend_pid() AS pid, nullif(current_setting('tidesync.doctor', true), '') AS word;

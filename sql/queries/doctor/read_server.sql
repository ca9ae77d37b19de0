-- What this server, this database and this role are like, as far as runs depend on it. One row; limits in milliseconds
-- where they are times, 0 for none (max_standby_streaming_delay: -1 for none): those that role, database and server set,
-- whatever this transaction has set for itself.
SELECT split_part(current_setting('server_version'), ' ', 1) AS version, current_user::text AS role, r.rolsuper AS superuser,
    pg_is_in_recovery() AS in_recovery,
    current_setting('default_transaction_read_only')::boolean AS read_only,
    current_setting('hot_standby_feedback')::boolean AS feedback,
    (SELECT setting::bigint FROM pg_settings WHERE name = 'max_standby_streaming_delay') AS streaming_delay_ms,
    coalesce((SELECT reset_val::bigint FROM pg_settings WHERE name = 'transaction_timeout'), 0) AS transaction_timeout_ms,
    coalesce((SELECT reset_val::bigint FROM pg_settings WHERE name = 'statement_timeout'), 0) AS statement_timeout_ms,
    coalesce((SELECT reset_val::bigint FROM pg_settings WHERE name = 'idle_in_transaction_session_timeout'), 0)
        AS idle_in_transaction_ms,
    current_setting('fsync')::boolean AS fsync, current_setting('synchronous_commit') <> 'off' AS commits_are_kept,
    current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
        - (SELECT count(*)::int FROM pg_stat_activity WHERE backend_type = 'client backend') AS connections_left,
    CASE WHEN r.rolconnlimit >= 0 AND NOT r.rolsuper THEN r.rolconnlimit
        - (SELECT count(*)::int FROM pg_stat_activity WHERE usename = current_user) END AS role_connections_left
FROM pg_roles r WHERE r.rolname = current_user;

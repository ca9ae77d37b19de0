-- A token that has expired is refused before its jti is looked up. An hour covers every clock tolerance.
DELETE FROM tidesync.jti_seen WHERE expires_at < now() - interval '1 hour';

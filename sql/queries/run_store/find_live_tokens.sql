-- Finds what a person means by an id or a name: the token of that id, else those of that name.
-- $1 text  id or name
-- Returns id, name, scope; newest first.
SELECT id, name, scope FROM tidesync.token
WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > clock_timestamp())
  AND (id = $1 OR name = $1 AND NOT EXISTS (SELECT FROM tidesync.token WHERE id = $1))
ORDER BY created_at DESC, id;

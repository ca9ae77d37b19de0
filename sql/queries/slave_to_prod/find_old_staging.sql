-- Staging tables that earlier runs of the job left behind, or an earlier attempt under this run's own token. Their names
-- carry the token, and older tokens can no longer commit anything.
-- $1 text    name prefix of the job, such as slave_to_prod_
-- $2 bigint  token of this run
SELECT relname FROM pg_class
WHERE relnamespace = to_regnamespace('tidesync_staging') AND relkind = 'r'
  AND CASE WHEN starts_with(relname, $1) AND substr(relname, length($1) + 1) ~ '^[0-9]{1,18}_[0-9]+$'
      THEN split_part(substr(relname, length($1) + 1), '_', 1)::bigint <= $2::bigint ELSE false END;

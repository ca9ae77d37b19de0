-- The last token that the run store gave out.
-- Returns token bigint: 0 when it gave out none.
SELECT coalesce(pg_sequence_last_value('tidesync.lease_token_seq'), 0) AS token;

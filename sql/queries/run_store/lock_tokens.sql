-- Serialises the making of tokens, so that their number has a bound. Ends with the transaction, whatever a pooler does.
SELECT pg_advisory_xact_lock(hashtextextended('tidesync token', 0));

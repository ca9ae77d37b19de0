-- Which of these runs the store does not know.
-- $1 uuid[]  runs
-- Returns run_id, in the given order.
SELECT given.run_id FROM unnest($1::uuid[]) WITH ORDINALITY AS given (run_id, place)
WHERE NOT EXISTS (SELECT FROM tidesync.run r WHERE r.run_id = given.run_id) ORDER BY place;

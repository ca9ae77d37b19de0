-- What the worker asks of such a table on both sides, word for word (`run` holds it against the log of the slave), so that
-- its time is the floor for the worker's. Two tables with the same answer hold the same rows: numeric, jsonb and arrays go in
-- as bytes, because their equality is looser than what is stored (1.0 = 1.00).
COPY (SELECT pg_catalog.count(*), coalesce(pg_catalog.bit_xor(pg_catalog.hashint8extended(
    pg_catalog.hash_record_extended(ROW("id", "customer", "title", "description", pg_catalog.numeric_send("price"),
    "created_at", "updated_at", "active", pg_catalog.jsonb_send("attributes"), pg_catalog.textsend("tags"::text), "public_id",
    "note")::record, 0), 0)), 0) FROM ONLY "public"."bench") TO STDOUT (FORMAT text, DELIMITER ',');

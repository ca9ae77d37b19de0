-- Two tables with the same answer hold the same rows. numeric and jsonb go in as bytes, because their equality is looser
-- than what is stored (1.0 = 1.00).
-- It is what the worker asks of such a table, so that its time is a floor for the worker's.
SELECT count(*), bit_xor(hashint8extended(hash_record_extended(ROW(id, customer, title, description, numeric_send(price),
    created_at, updated_at, active, jsonb_send(attributes), textsend(tags::text), public_id, note)::record, 0), 0))
FROM bench;

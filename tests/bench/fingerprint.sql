-- Two tables with the same answer hold the same rows. numeric and jsonb go in as bytes, because their equality is looser
-- than what is stored (1.0 = 1.00).
SELECT count(*), bit_xor(hash_record_extended(ROW(id, customer, title, description, numeric_send(price), created_at,
    updated_at, active, jsonb_send(attributes), tags, public_id, note)::record, 0))
FROM bench;

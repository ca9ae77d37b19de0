-- The proof for the narrow table.
SELECT count(*), bit_xor(hashint8extended(hash_record_extended(ROW(id, value)::record, 0), 0)) FROM bench;

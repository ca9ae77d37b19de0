-- $1 text  source
-- $2 text  message id
-- $3 uuid  run
-- $4 text  decision: created or coalesced
-- $5 text  SHA-256 of the body, hex
INSERT INTO tidesync.message (source, message_id, run_id, decision, body_sha256)
VALUES ($1, $2, $3::uuid, $4, decode($5, 'hex'));

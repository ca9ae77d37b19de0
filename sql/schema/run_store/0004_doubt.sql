-- Whether an attempt may have changed its target, or may yet, without having told: it fell silent, or its COMMIT got no
-- answer. Such a run is not told as dead or cancelled before a worker has passed its fence, so that no earlier attempt can
-- commit any more, and has read its receipt: a last look. Until then end_due holds what it will be if nothing was done.
ALTER TABLE tidesync.run
    ADD COLUMN in_doubt boolean NOT NULL DEFAULT false,
    ADD COLUMN end_due  text CHECK (end_due IN ('dead', 'cancelled')),
    ADD CONSTRAINT due_only_in_doubt CHECK (in_doubt OR end_due IS NULL),
    ADD CONSTRAINT no_doubt_when_over CHECK (NOT in_doubt OR finished_at IS NULL);

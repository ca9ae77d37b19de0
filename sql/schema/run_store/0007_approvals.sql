-- A person may let a run through that a guard stopped: the run that does it names the one that was stopped. No reference:
-- either of them may be pruned before the other.
ALTER TABLE tidesync.run ADD COLUMN approves uuid;

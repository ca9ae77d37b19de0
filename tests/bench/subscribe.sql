-- :copy_data :enabled, and the slave's address in the environment, because it holds a password
\getenv conninfo BENCH_CONNINFO
CREATE SUBSCRIPTION bench CONNECTION :'conninfo' PUBLICATION bench WITH (copy_data = :copy_data, enabled = :enabled);

# shellcheck shell=bash
# The methods that are compared, and what they are held against. `run` sources this and says what its names mean. Each
# method runs in a process of its own and finds the same bytes on production.

plain() {
    on production bench -c 'CREATE UNLOGGED TABLE bench_staging (LIKE bench)'
    on slave "$origin" -f "$here/plain_read.sql" | on production bench -c 'COPY bench_staging FROM STDIN'
    on production bench -1 -f "$here/plain_apply.sql"
}

# `time` asks the kernel for the peak of resident memory.
tidesync() {
    become_tidesync bench /usr/bin/time -o "$work/peak_kib" -f %M \
        "$binary" run slave-to-prod --config "$work/bench.yaml"
}

# The least that a first load can cost: no staging, no comparison, no proof.
pipe() {
    on slave "$origin" -c 'COPY bench TO STDOUT (FORMAT binary)' |
        on production bench -c 'COPY bench FROM STDIN (FORMAT binary)'
}

# The least that finding out costs: what the worker asks of both sides, at the same time.
floor() {
    on slave "$origin" -f "$here/${shape}fingerprint.sql" >"$work/slave.fingerprint" &
    on production bench -f "$here/${shape}fingerprint.sql" >"$work/production.fingerprint"
    wait $!
}

# Replaces the process it is called in.
become_tidesync() { # production's-database command...
    export SLAVE_DATABASE_URL=${TIDESYNC_TEST_SLAVE_URL%/*}/$origin PROD_DATABASE_URL=${TIDESYNC_TEST_PROD_URL%/*}/$1
    cd "$work"
    exec "${@:2}"
}

# A floor is one only while it is what the worker itself asks. So the slave's log is read for that, once.
check_floor() {
    local status=0 asked ours
    on slave postgres -c "ALTER DATABASE bench SET log_statement = 'all'"
    (become_tidesync bench_empty "$binary" check slave-to-prod --config "$work/bench.yaml") >>"$log" 2>&1 || status=$?
    on slave postgres -c 'ALTER DATABASE bench RESET log_statement'
    [[ $status -eq 1 ]] || die "tidesync check answered $status; see $log" # 1: there are differences
    asked=$(sed -n 's/.*LOG:  statement: \(COPY (SELECT pg_catalog\.count.*\)/\1/p' "$work/servers/place/slave.log")
    ours=$(sed '/^--/d; s/;$//' "$here/fingerprint.sql")
    [[ -n $asked && ${asked//[[:space:]]/} == "${ours//[[:space:]]/}" ]] ||
        die "the floor is not what the worker asks, put this into fingerprint.sql: $asked"
}

# shellcheck shell=bash
# Tools that people might take instead. docs/performance.md says what each of them does that the others do not. `run`
# sources this and says what its names mean.

copiers=() # those of pgcopydb, where it is installed

find_peers() {
    if command -v pgcopydb >/dev/null; then
        copiers=(clone copy_data)
    elif [[ " ${parts[*]} " == *' first '* ]]; then
        say "pgcopydb is not installed: it is left out"
    fi
}

peer_versions() {
    if [[ ${#copiers[@]} -gt 0 ]]; then pgcopydb --version 2>/dev/null | head -n 1; fi
}

# -- pgcopydb: a first load, by several processes ----------------------------------------------------------------------

# As it is meant: it makes the table, loads it, and makes the indexes afterwards.
clone() { become_pgcopydb clone --table-jobs 2 --index-jobs 2 --no-acl --no-owner; }

# Into the table that is there, with its indexes.
copy_data() { become_pgcopydb copy table-data --table-jobs 2; }

# Replaces the process it is called in.
become_pgcopydb() {
    rm -rf "$work/pgcopydb"
    export PGCOPYDB_SOURCE_PGURI=${TIDESYNC_TEST_SLAVE_URL%/*}/$origin
    export PGCOPYDB_TARGET_PGURI=${TIDESYNC_TEST_PROD_URL%/*}/bench
    exec pgcopydb "$@" --dir "$work/pgcopydb"
}

# -- native logical replication ----------------------------------------------------------------------------------------

# first: from CREATE SUBSCRIPTION, which copies the table. changed: from the moment that a subscriber, which was in step
# and then disabled, is enabled again. Both end when the newest row is there, which is committed last.
replication() { # case
    case $1 in
        first)
            on slave bench -c 'CREATE PUBLICATION bench FOR TABLE bench'
            subscribe bench -v copy_data=true -v enabled=true
            ;;
        changed) on production bench -c 'ALTER SUBSCRIPTION bench ENABLE' ;;
    esac
    on production bench -v rows="$rows" -f "$here/await_newest.sql"
}

# A slave of its own, which was as far behind as production is, and has changed since.
prepare_replication() {
    local old=$((rows - rows / 1000))
    make_slave published behind
    on slave published -c 'CREATE PUBLICATION bench FOR TABLE bench' -c 'CREATE UNLOGGED TABLE bench_staging (LIKE bench)'
    subscribe published -v copy_data=false -v enabled=false
    move_rows "id % 100 = 42 AND id <= $old" bench_staging
    on slave published -1 -f "$here/plain_apply.sql"
    move_rows "id > $old" bench
    on slave postgres -c CHECKPOINT
    on production postgres -c CHECKPOINT
}

move_rows() { # condition table
    on slave bench -c "COPY (SELECT * FROM bench WHERE $1) TO STDOUT" | on slave published -c "COPY $2 FROM STDIN"
}

subscribe() { # slave's-database psql-argument...
    BENCH_CONNINFO=${TIDESYNC_TEST_SLAVE_URL%/*}/$1 on production bench "${@:2}" -f "$here/subscribe.sql"
}

# The slot on the slave goes along. While it is there the slave keeps its WAL.
end_replication() { # case
    on production bench -c 'ALTER SUBSCRIPTION bench DISABLE' -c 'DROP SUBSCRIPTION bench'
    case $1 in
        first) on slave bench -c 'DROP PUBLICATION bench' ;;
        changed) on slave postgres -c 'DROP DATABASE published' ;;
    esac
}

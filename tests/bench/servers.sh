# shellcheck shell=bash
# Two servers, and what is in them. `run` sources this and says what its names mean.

start_servers() {
    say "starting two servers"
    "$root/tests/servers" remove "$work/servers" # of a benchmark that was killed
    start_them
    for side in slave production; do configure "$side"; done
    start_them # shared_buffers wants a restart
    on slave postgres -c 'CREATE DATABASE samples'
    on slave samples -f "$here/samples.sql"
    printf 'jobs:\n  slave-to-prod:\n    include: [public.bench]\n' >"$work/bench.yaml"
}

# The lock must not pass to a server that outlives us. What is printed are passwords, and nobody needs them.
start_them() {
    "$root/tests/servers" start "$work/servers" --durable {lock}>&- >/dev/null 2>>"$log" ||
        die "the servers do not start; see $log"
    # shellcheck source=/dev/null
    source "$work/servers/env"
}

# fsync, synchronous_commit and full_page_writes are on. Autovacuum is off, for it would strike one run and spare another.
# The slave's WAL is one that native replication can read.
configure() { # side
    local settings=(-c "ALTER SYSTEM SET shared_buffers = '512MB'" -c "ALTER SYSTEM SET max_wal_size = '4GB'"
        -c "ALTER SYSTEM SET min_wal_size = '2GB'" -c 'ALTER SYSTEM SET autovacuum = off')
    if [[ $1 == slave ]]; then settings+=(-c "ALTER SYSTEM SET wal_level = 'logical'"); fi
    on "$1" postgres "${settings[@]}"
    # Logging in costs what it costs people: tests/servers spares tests most of that.
    on "$1" postgres <<<"ALTER ROLE postgres PASSWORD '$(<"$work/servers/$1.password")'"
}

on() { # side database psql-argument...
    local port=$TIDESYNC_TEST_SLAVE_PORT
    if [[ $1 == production ]]; then port=$TIDESYNC_TEST_PROD_PORT; fi
    PGPASSFILE=$TIDESYNC_TEST_PGPASSFILE PGOPTIONS='-c client_min_messages=warning' \
        psql -XqAt -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$port" -U postgres -d "$2" "${@:3}"
}

server_version() { on production postgres -c "SELECT split_part(current_setting('server_version'), ' ', 1)"; }

settings() {
    on production postgres -c "SELECT jsonb_object_agg(name, current_setting(name)) FROM pg_settings WHERE name IN ('fsync',
        'synchronous_commit', 'full_page_writes', 'shared_buffers', 'work_mem', 'max_wal_size', 'min_wal_size', 'autovacuum',
        'wal_level', 'wal_compression', 'checkpoint_timeout', 'max_parallel_workers_per_gather', 'data_checksums')"
}

# -- states ------------------------------------------------------------------------------------------------------------

shape=''     # before the names of the files that make the table and its rows: nothing, or narrow_
origin=bench # the slave's database, which has the newest state
states=bench # what production's databases are called that hold a state each, to be copied

make_states() { # case...
    local name
    say "making $rows rows"
    attend make_slave "$origin" newest
    attend make_empty_state
    for name in "$@"; do
        case $name in
            unchanged) attend make_state newest ;;
            changed) attend make_state behind ;;
        esac
    done
}

make_slave() { # database state
    on slave postgres -c "CREATE DATABASE $1"
    on slave "$1" -f "$here/${shape}table.sql" -v rows="$rows" -v state="$2" -f "$here/${shape}rows.sql"
}

make_empty_state() {
    on production postgres -c "CREATE DATABASE ${states}_empty"
    on production "${states}_empty" -f "$here/${shape}table.sql"
    (become_tidesync "${states}_empty" "$binary" migrate) >>"$log" 2>&1 || die "tidesync migrate failed; see $log"
}

make_state() { # state
    on production postgres -c "CREATE DATABASE ${states}_$1 TEMPLATE ${states}_empty"
    on production "${states}_$1" -v rows="$rows" -v state="$1" -f "$here/${shape}rows.sql"
}

# Puts the same bytes in place, and a checkpoint behind: no run writes out what another one left.
copy_state() { # state
    local template=${states}_$1 strategy=''
    if [[ $1 == nothing ]]; then template=template1; fi
    if [[ $(on production postgres -c 'SHOW server_version_num') -ge 150000 ]]; then strategy='STRATEGY file_copy'; fi
    on production postgres -c 'DROP DATABASE IF EXISTS bench' -c "CREATE DATABASE bench TEMPLATE $template $strategy" \
        -c CHECKPOINT
}

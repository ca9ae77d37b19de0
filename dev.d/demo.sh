# shellcheck shell=bash
# The demo: two databases with real data, a worker between them, a scheduler that calls it, and the proof that what it
# was called for is done.
# Everything is in build/demo. The databases stay from run to run, so that each later run finds a tide of changes.

demo_dir=$root/build/demo
slave_port=''
production_port=''
servers_running=() # pid of each of our own: the scheduler, then the worker

dev_demo() {
    local once=false
    case $*:$# in
        :0) ;;
        --once:1) once=true ;;
        *) refuse_usage "demo takes --once or nothing" ;;
    esac
    need build demo
    forget_settings
    claim_demo
    build_preset release
    start_demo_servers
    bring_data
    settle_settings
    task migrate "$root/build/logs/demo-migrate.log" tidesync migrate ||
        explain "preparing production" "$root/build/logs/demo-migrate.log"
    start_ours scheduler "$QSTASH_URL" qstash-local --listen "${QSTASH_URL#http://}"
    start_ours worker "$TIDESYNC_PUBLIC_URL" serve
    say ''
    run_attached demo tidesync demo || explain "the delivery" "$(log_of worker)"
    if $once; then exit 0; fi
    invite
    trap 'say ""; say "Stopping the worker, the scheduler and both servers."; exit 0' INT TERM
    follow "${servers_running[-1]}" || true
    explain "serving" "$(log_of worker)"
}

# Becomes the binary, so it is for tasks and background jobs only. It starts in a folder of its own: a tidesync.yaml of
# the person who tries this is not the demo's.
tidesync() { cd "$demo_dir" && exec "$root/build/release/tidesync" "$@"; }

forget_settings() {
    local name
    for name in "${!TIDESYNC_@}" "${!QSTASH_@}" "${!PG@}" NEXT_PUBLIC_APP_URL; do unset "$name"; done
}

# One demo at a time in this folder; the last one may have been killed before it could stop its worker.
claim_demo() {
    local holder pid
    mkdir -p "$demo_dir"
    holder=$(cat "$demo_dir/claim" 2>/dev/null) || true
    if [[ -n $holder && $(process_identity "${holder%%:*}") == "$holder" ]]; then
        die "another ./dev demo is running in this folder, as process ${holder%%:*}"
    fi
    process_identity $$ >"$demo_dir/claim"
    at_exit rm -f "$demo_dir/claim"
    for pid in $(cat "$demo_dir"/*.pid 2>/dev/null); do
        if [[ $(readlink "/proc/$pid/exe") == "$root/build/release/tidesync"* ]]; then kill -s KILL "$pid" || true; fi
    done
}

# Number and start time: a number alone may come again.
process_identity() {
    local stat fields
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 0
    read -ra fields <<<"${stat##*) }"
    echo "$1:${fields[19]}"
}

# -- databases ---------------------------------------------------------------------------------------------------------

start_demo_servers() {
    local log=$root/build/logs/demo-servers.log
    at_exit stop_demo_servers
    task servers "$log" start_durably || explain "starting the servers" "$log"
    # shellcheck source=/dev/null
    source "$demo_dir/servers/env"
    slave_port=$TIDESYNC_TEST_SLAVE_PORT
    production_port=$TIDESYNC_TEST_PROD_PORT
    unset "${!TIDESYNC_TEST_@}" # superusers' passwords; the worker shall not see them
    report servers "slave 127.0.0.1:$slave_port, production 127.0.0.1:$production_port"
}

start_durably() { start_quietly "$demo_dir/servers" --durable; }
stop_demo_servers() { tests/servers stop "$demo_dir/servers" >/dev/null 2>&1; }

bring_data() {
    local log=$root/build/logs/demo-data.log
    task data "$log" load_or_change || explain "loading the data" "$log"
    report data "$(tail -n 1 "$log")"
}

# Says in its last line what the databases hold now.
load_or_change() {
    local tide
    if is_loaded slave && is_loaded production; then
        tide=$(sql slave app -1 -f demo/tide.sql) || return
        IFS='|' read -r number added edited <<<"$tide"
        echo "tide $number on the slave: $added rows added, $edited edited"
    else
        load slave -f demo/newest.sql && load production -f demo/newest.sql -f demo/older.sql &&
            echo "ISO lists: slave $(count_rows slave) rows, newest; production $(count_rows production), as of 2010"
    fi
}

sql() { # side database psql-argument...
    local port=$slave_port
    if [[ $1 == production ]]; then port=$production_port; fi
    PGPASSFILE=$demo_dir/servers/pgpass PGOPTIONS='-c client_min_messages=warning' \
        psql -XqAt -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$port" -U postgres -d "$2" "${@:3}"
}

is_loaded() {
    [[ $(sql "$1" postgres -c "SELECT count(*) FROM pg_database WHERE datname = 'app'") == 1 ]] &&
        [[ $(sql "$1" app -c "SELECT to_regclass('geo.country') IS NOT NULL") == t ]]
}

# All or nothing, so that an interrupted run leaves no half of a database.
load() { # side psql-argument...
    if is_loaded "$1"; then return; fi
    sql "$1" postgres -c 'DROP DATABASE IF EXISTS app' -c 'CREATE DATABASE app' &&
        sql "$1" app -1 -f demo/schema.sql "${@:2}" && sql "$1" app -c 'VACUUM ANALYZE'
}

count_rows() {
    sql "$1" app -c 'SELECT (SELECT count(*) FROM geo.country) + (SELECT count(*) FROM geo.former_name)
        + (SELECT count(*) FROM geo.subdivision) + (SELECT count(*) FROM public.currency)
        + (SELECT count(*) FROM public.language) + (SELECT count(*) FROM public.review)
        + (SELECT count(*) FROM "Reference"."Script")'
}

# -- the worker --------------------------------------------------------------------------------------------------------

# New secrets for every run, handed over in the environment.
settle_settings() {
    local port scheduler_port side token password
    password=$(openssl rand -hex 24)
    for side in slave production; do
        TIDESYNC_ROLE_PASSWORD=$password sql "$side" app -1 -v side="$side" -f demo/roles.sql
    done
    port=$(free_port 8090 worker)
    scheduler_port=$(free_port 8080 scheduler)
    token=$(openssl rand -hex 24)
    (umask 077 && echo "Authorization: Bearer $token" >"$demo_dir/admin.header")
    export SLAVE_DATABASE_URL="postgresql://tidesync:$password@127.0.0.1:$slave_port/app"
    export PROD_DATABASE_URL="postgresql://tidesync:$password@127.0.0.1:$production_port/app"
    export TIDESYNC_ADMIN_TOKEN=$token
    export TIDESYNC_LISTEN=127.0.0.1:$port TIDESYNC_PUBLIC_URL=http://127.0.0.1:$port
    export TIDESYNC_QSTASH_DATABASE_URL=$PROD_DATABASE_URL
    export QSTASH_URL=http://127.0.0.1:$scheduler_port
    QSTASH_TOKEN=$(openssl rand -hex 24)
    QSTASH_CURRENT_SIGNING_KEY=$(signing_key)
    QSTASH_NEXT_SIGNING_KEY=$(signing_key)
    export QSTASH_TOKEN QSTASH_CURRENT_SIGNING_KEY QSTASH_NEXT_SIGNING_KEY
}

signing_key() { echo "sig_$(head -c 400 /dev/urandom | LC_ALL=C tr -dc '1-9A-HJ-NP-Za-km-z' | cut -c 1-28)"; }

# free_port WANTED WHOSE  prints the wanted port, or another one and why.
free_port() {
    local port=$1
    if ! port_is_free "$port"; then
        until port_is_free "$port"; do port=$((20000 + RANDOM % 12000)); done
        say "Port $1 is taken, so the $2 listens on $port."
    fi
    echo "$port"
}

port_is_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

log_of() { echo "$root/build/logs/demo-$1.log"; }

# start_ours NAME URL ARGUMENT...  a server of the binary, in the background, until this script ends.
start_ours() {
    local name=$1 url=$2 pid
    shift 2
    set -m # its own process group: Ctrl-C reaches this script, which then asks the server to stop
    tidesync "$@" >"$(log_of "$name")" 2>&1 </dev/null &
    pid=$!
    set +m
    servers_running+=("$pid")
    at_exit stop_ours "$pid" "$name"
    echo "$pid" >"$demo_dir/$name.pid"
    task "$name" "$root/build/logs/demo-ready.log" await_ready "$url" "$pid" ||
        explain "starting the $name" "$(log_of "$name")"
    report "$name" "$url, log in build/logs/demo-$name.log"
}

await_ready() { # url pid
    local attempt
    for attempt in {1..300}; do
        if curl -fs -o /dev/null --max-time 2 --noproxy '*' "$1/readyz"; then return; fi
        if ! kill -0 "$2" 2>/dev/null; then return 1; fi
        echo "waiting for /readyz, attempt $attempt"
        sleep 0.1
    done
    return 1
}

stop_ours() { # pid name
    local deadline=$((SECONDS + 40)) # the worker drains for up to 30 s
    kill -s TERM "$1" 2>/dev/null || true
    while kill -0 "$1" 2>/dev/null; do
        if ((SECONDS > deadline)); then kill -s KILL "$1" 2>/dev/null || true; fi
        sleep 0.05
    done
    wait "$1" 2>/dev/null || true
    rm -f "$demo_dir/$2.pid"
}

invite() {
    local at=''
    if [[ $started_in != "$root" ]]; then at=$(printf '%q/' "$root"); fi
    cat >&2 <<END

The worker keeps serving, and the scheduler calls it every minute. In another terminal:

  sync again, by hand
    curl -X POST -H @${at}build/demo/admin.header $TIDESYNC_PUBLIC_URL/api/background/sync/slave-to-prod
  look at the slave, or change something there first
    PGPASSFILE=${at}build/demo/servers/pgpass psql -h 127.0.0.1 -p $slave_port -U postgres app
  look at production
    PGPASSFILE=${at}build/demo/servers/pgpass psql -h 127.0.0.1 -p $production_port -U postgres app

Ctrl-C stops everything. The data stays: the next ./dev demo brings a tide
of changes to the slave, and syncs again.
END
}

# shellcheck shell=bash
# How many requests the worker answers, and how fast. `run` sources this and says what its names mean.

load=${TIDESYNC_LOAD:-${binary%/*}/tidesync_load}
round_seconds=3
node_packages=$root/build/conformance

measure_http() {
    local round
    prepare_http
    for ((round = 0; round <= runs; round++)); do
        load_once 1 'refused by signature' "$round" tidesync refused
        load_once 1 'refused by signature' "$round" node refused
        load_once 2 'attached to 64 known runs' "$round" tidesync attached
        load_once 3 'attached to one known run' "$round" tidesync attached --messages 1
        load_once 4 'attached, 500 a second' "$round" tidesync attached --rate 500
    done
    stop_http
}

load_once() { # nth case round server argument...
    local document="$work/load.json"
    attend run_load "$4" "${@:5}"
    on slave samples -v nth="$1" -v case="$2" -v round="$3" -v server="$4" -v document="$(<"$document")" \
        -f "$here/http_record.sql"
    say "$(printf '%-25s  round %s of %s  %-8s  %6.0f a second' "$2" "${3/#0/0 (warm-up)}" "$runs" "$4" \
        "$(sed -E 's/.*"per_second":([0-9]+).*/\1/' "$document")")"
}

# Fails when an answer was not the one that was expected: a wrong result shall never look fast.
run_load() { # server argument...
    local port pid
    read -r port pid <"$work/$1.place"
    become_http "$load" "${@:2}" --port "$port" --pid "$pid" --seconds "$round_seconds" >"$work/load.json" 2>>"$log"
}

# -- the two servers ---------------------------------------------------------------------------------------------------

prepare_http() {
    say "starting the worker and a Node server"
    on slave samples -f "$here/http_samples.sql"
    "$root/tests/conformance/run" --packages {lock}>&- 2>>"$log" || die "the npm packages are not there; see $log"
    for side in slave production; do
        on "$side" postgres -c 'CREATE DATABASE http'
        on "$side" http -c 'CREATE TABLE item (id int PRIMARY KEY)'
    done
    (become_http "$binary" migrate) >>"$log" 2>&1 || die "tidesync migrate failed; see $log"
    serve_http tidesync 's/.*"event":"listening".*"port":([0-9]+).*/\1/p' "$binary" serve
    serve_http node '/^[0-9]+$/p' node "$here/receiver.mjs" "$node_packages"
}

http_servers=()

# Starts a server and waits until it has said its port, which `find` finds.
serve_http() { # name find command...
    local port='' said="$work/$1.said" deadline=$((SECONDS + 20))
    (become_http "${@:3}") {lock}>&- >"$said" 2>&1 </dev/null &
    http_servers+=($!)
    while [[ -z $port ]]; do
        kill -0 "${http_servers[-1]}" 2>/dev/null || die "the $1 server ended; see $said"
        ((SECONDS < deadline)) || die "the $1 server does not say where it listens; see $said"
        sleep 0.05
        port=$(sed -nE "$2" "$said")
    done
    echo "$port ${http_servers[-1]}" >"$work/$1.place"
}

stop_http() {
    local pid
    for pid in "${http_servers[@]}"; do
        kill -s TERM "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    http_servers=()
    rm -f "$work"/{tidesync,node}.{place,said} "$work/load.json"
}

# Replaces the process it is called in. The keys are for nothing else.
become_http() { # command...
    export SLAVE_DATABASE_URL=${TIDESYNC_TEST_SLAVE_URL%/*}/http PROD_DATABASE_URL=${TIDESYNC_TEST_PROD_URL%/*}/http \
        QSTASH_CURRENT_SIGNING_KEY=sig_4fBenchCurrentKeyOnlyForThis9z QSTASH_NEXT_SIGNING_KEY=sig_8hBenchNextKeyOnlyForThisPqrs \
        TIDESYNC_PUBLIC_URL=https://sync.example.com TIDESYNC_LISTEN=127.0.0.1:0 NODE_ENV=production \
        TIDESYNC_ADMIN_TOKEN=an-admin-token-only-for-the-benchmark-7Qx2
    cd "$work"
    exec "$@"
}

print_http_report() {
    local json_file
    json_file=$work/$(date -u +%Y%m%dT%H%M%SZ)-http.json
    on slave samples -v cores="$(nproc)" -v json_file="$json_file" -v machine="$machine" -v settings="$(settings)" \
        -v node_version="Node $(node --version)" -v binary_version="$("$binary" --version)" -f "$here/http_report.sql"
    say "all samples: ${json_file#"$root"/}"
}

# shellcheck shell=bash
# What is measured of one run of a method. `run` sources this and says what its names mean.

took_us=''
client_ms='' # processor time of what a person starts; the servers' is counted apart

run_once() { # case round method
    local lsn lsn_after slave_ms production_ms inserted updated dead heap_records='' document='' peak_kib=''
    lsn=$(wal_position)
    slave_ms=$(server_ms slave)
    production_ms=$(server_ms production)
    timed "$3" "$1"
    if [[ $3 == replication ]]; then attend end_replication "$1"; fi
    await_sessions_end
    slave_ms=$(($(server_ms slave) - slave_ms))
    production_ms=$(($(server_ms production) - production_ms))
    lsn_after=$(wal_position)
    IFS='|' read -r inserted updated dead < <(on production bench -f "$here/counters.sql")
    if [[ $3 == tidesync ]]; then
        document=$(become_tidesync bench "$binary" runs --json)
        peak_kib=$(<"$work/peak_kib")
        if [[ $1 != *first ]]; then heap_records=$(count_heap_records "$lsn" "$lsn_after"); fi
    fi
    on slave samples -v case="$1" -v round="$2" -v method="$3" -v rows="$rows" -v took_us="$took_us" \
        -v client_ms="$client_ms" -v slave_ms="$slave_ms" -v production_ms="$production_ms" -v peak_kib="$peak_kib" \
        -v lsn_before="$lsn" -v lsn_after="$lsn_after" -v inserted="$inserted" -v updated="$updated" -v dead="$dead" \
        -v heap_records="$heap_records" -v document="$document" -f "$here/record.sql"
    say "$(printf '%-16s  run %s of %s  %-11s  %6d ms' "$1" "${2/#0/0 (warm-up)}" "$runs" "$3" $((took_us / 1000)))"
}

# Sets took_us and client_ms. Its own process group, so that `leave` can end all of it.
timed() { # command...
    local began before status=0
    look_at_children
    before=$children_ms
    set -m
    began=${EPOCHREALTIME/[.,]/}
    "$@" >>"$log" 2>&1 </dev/null &
    task=$!
    set +m
    wait "$task" || status=$?
    took_us=$((${EPOCHREALTIME/[.,]/} - began))
    task=''
    [[ $status -eq 0 ]] || die "$* failed; see $log"
    look_at_children
    client_ms=$((children_ms - before))
}

children_ms=0

# Sets children_ms, the processor time of all children of this shell that have ended, theirs included. `times` must not
# run in another shell, so it says it into a file: minutes, seconds and thousandths as in 0m1.234s.
look_at_children() {
    local used user system
    times >"$work/times"
    { read -r _ && read -r user system; } <"$work/times"
    children_ms=0
    for used in "$user" "$system"; do
        used=${used//[s.,]/}
        children_ms=$((children_ms + ${used%m*} * 60000 + 10#${used#*m}))
    done
}

# The processor time of a server since it was started: of the processes that are there, and of those that were, which the
# first of them keeps account of.
server_ms() { # side
    local first
    read -r first <"$work/servers/place/$1/postmaster.pid"
    cat /proc/[0-9]*/stat 2>/dev/null | awk -v first="$first" -v ticks="$(getconf CLK_TCK)" '
        { id = $1; sub(/^.*\) /, "") } # a name may hold anything
        id == first { used += $14 + $15 }
        id == first || $2 == first { used += $12 + $13 }
        END { printf "%d", used * 1000 / ticks }' || true # a process may end while it is looked at
}

wal_position() { on production postgres -c 'SELECT pg_current_wal_insert_lsn()'; }

# Nothing where the server is older than PostgreSQL 15, which brought the extension.
count_heap_records() { # from to
    if [[ $(on production postgres -c 'SHOW server_version_num') -ge 150000 ]]; then
        on production bench -v from="$1" -v to="$2" -f "$here/heap_records.sql"
    fi
}

# The counters of a table are complete when the sessions that used it are gone.
await_sessions_end() {
    local sessions="SELECT count(*) FROM pg_stat_activity WHERE datname = 'bench' AND backend_type = 'client backend'"
    while [[ $(on production postgres -c "$sessions") != 0 ]]; do sleep 0.05; done
}

# A wrong result shall never look fast.
verify() { # case method
    attend floor
    cmp -s "$work/slave.fingerprint" "$work/production.fingerprint" ||
        die "after $2 in case '$1' production is $(<"$work/production.fingerprint"), the slave $(<"$work/slave.fingerprint")"
}

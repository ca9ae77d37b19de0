# shellcheck shell=bash
# Servers for tests and for trying things: a folder of its own for each caller, so that two may run at once.

servers_dir=''

# Starts the two servers, exports their addresses, and stops them on exit.
start_servers() {
    local log=$root/build/logs/servers.log
    sweep_servers
    servers_dir=$root/build/servers/$$
    at_exit remove_servers
    task servers "$log" start_quietly "$servers_dir" --memory || explain "starting the servers" "$log"
    # shellcheck source=/dev/null
    source "$servers_dir/env"
    report servers "slave 127.0.0.1:$TIDESYNC_TEST_SLAVE_PORT, production 127.0.0.1:$TIDESYNC_TEST_PROD_PORT"
}

remove_servers() { tests/servers remove "$servers_dir" >/dev/null 2>&1; }

start_quietly() { tests/servers start "$@" >/dev/null; } # what it prints are passwords, and a log is no place for them

# Removes servers whose caller was killed before it could.
sweep_servers() {
    local stray owner
    for stray in build/servers/*/; do
        stray=${stray%/}
        owner=${stray##*/}
        if [[ -d $stray ]] && ! kill -0 "${owner%%.*}" 2>/dev/null; then tests/servers remove "$stray" || true; fi
    done
}

dev_servers() {
    [[ $# -eq 0 ]] || refuse_usage "servers takes no arguments"
    need demo
    start_servers
    cat "$servers_dir/env"
    echo "export TIDESYNC_BINARY=$root/build/dev/tidesync"
    say "Ctrl-C stops them and deletes their data."
    sleep infinity &
    at_exit kill $!
    trap 'exit 0' INT
    follow $!
}

# shellcheck shell=bash
# The units as a real systemd starts them, with all that they forbid: a filter of system calls, or a folder that is not
# there, stops a worker that runs well without. That systemd has namespaces of its own, and the network of this machine,
# where the databases are.

booted=''  # the process that made the namespaces
pid_one='' # its systemd
cgroup=''  # the group that all of its processes are in

run_booted_cases() {
    make_databases
    fill_settings tools
    start_systemd
    try 'systemd starts with the package on its disk' boots
    try 'the line in tidesync.env runs a verb with these settings' reads_settings
    try 'tidesync.service starts, is ready, and stops in good order' starts_and_stops
    try 'it has no rights, and cannot read the secrets that it was given' confines
    try 'tidesync-ensure@.service ends well under systemd' ensures_booted
    try 'it tries again where a database is away' tries_again
    try 'a worker that is killed is started again' starts_again
    try 'a worker with wrong settings is not' stays_stopped
    try 'an upgrade puts the new worker in place of the old one' upgrades_booted
    try 'purged it stops, and nothing stays enabled' purges_booted
    halt_systemd
}

# -- that systemd ------------------------------------------------------------------------------------------------------

# A namespace of groups begins in the group that its maker is in, so that is one of our own.
start_systemd() {
    local here_in
    here_in=$(sed -n 's/^0:://p' /proc/self/cgroup)
    mkdir -p "$work/cgroup"
    mount -t cgroup2 cgroup2 "$work/cgroup"
    cgroup=$work/cgroup${here_in%/}/tidesync-packaging-$(stat -c %i "$work")
    remove_cgroup # of a run that was killed
    mkdir "$cgroup"
    (
        echo "$BASHPID" >"$cgroup/cgroup.procs"
        exec unshare --mount --pid --fork --kill-child --ipc --uts --cgroup "$here/boot" "$trees/tools"
    ) >"$work/boot.log" 2>&1 </dev/null &
    booted=$!
    for _ in {1..50}; do
        pid_one=$(pgrep -P "$booted" -x systemd) && return
        sleep 0.1
    done
    say "systemd does not start: $(cat "$work/boot.log")" # its cases will fail
}

halt_systemd() {
    if [[ -n $booted ]]; then
        kill -s KILL ${pid_one:+"$pid_one"} "$booted" 2>/dev/null || true
        wait "$booted" 2>/dev/null || true
        booted='' pid_one=''
    fi
    if [[ -z $cgroup ]]; then return; fi
    remove_cgroup
    umount "$work/cgroup"
    rmdir "$work/cgroup"
    cgroup=''
}

# Its processes take a moment to go.
remove_cgroup() {
    for _ in {1..50}; do
        if [[ ! -d $cgroup ]]; then return; fi
        find "$cgroup" -depth -type d -exec rmdir {} + 2>/dev/null || sleep 0.1
    done
    say "the group of processes ${cgroup##*/} does not go: something still runs in it"
}

in_systemd() {
    [[ -n $pid_one ]] || fail "no systemd runs"
    timeout --kill-after=5 120 nsenter --target "$pid_one" --mount --pid --ipc --uts --cgroup --root --wd \
        env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 SYSTEMD_PAGER=cat "$@"
}

property() { in_systemd systemctl show --value --property "$2" "$1"; } # unit name

# await UNIT PROPERTY VALUE  for up to 20 s.
await() {
    local attempt value=''
    for attempt in {1..100}; do
        value=$(property "$1" "$2")
        if [[ $value == "$3" ]]; then return; fi
        sleep 0.2
    done
    in_systemd journalctl --no-pager -o cat -n 20 -u "$1" || true
    fail "$2 of $1 is '$value' after $attempt looks, expected '$3'"
}

# Leaves the environment of a unit as it was at the end of the case.
with_setting() { # NAME=value
    local file=$trees/tools/etc/tidesync/tidesync.env
    cp -p "$file" "$work/tidesync.env"
    trap 'cat "$work/tidesync.env" >"$trees/tools/etc/tidesync/tidesync.env"; rm "$work/tidesync.env"' EXIT
    echo "$1" >>"$file"
}

# -- cases -------------------------------------------------------------------------------------------------------------

boots() {
    local attempt state=''
    for attempt in {1..150}; do
        state=$(in_systemd systemctl is-system-running) || true
        case $state in running) return ;; degraded) break ;; esac
        sleep 0.2
    done
    in_systemd systemctl --failed || true
    fail "systemd is '$state' after $attempt looks"
}

# As the comment in the file says it, with another verb.
reads_settings() {
    local line
    line=$(sed -n "s/^# *sudo sh -c '\(.*\)'$/\1/p" "$trees/tools/etc/tidesync/tidesync.env")
    [[ $line == *' exec tidesync check-config' ]] || fail "the file says: $line"
    in_systemd sh -c "${line/check-config/migrate}"
    in_systemd sh -c "$line"
}

starts_and_stops() {
    in_systemd systemctl start tidesync.service
    await_ready
    in_systemd systemctl stop tidesync.service
    [[ $(property tidesync.service Result) == success && $(property tidesync.service ExecMainStatus) == 0 ]]
    [[ $(property tidesync.service NRestarts) == 0 ]]
}

# The bounding set is empty, a filter is on, and the user is one that systemd made up.
confines() {
    local pid status name
    in_systemd systemctl start tidesync.service
    await_ready
    pid=$(property tidesync.service MainPID)
    status=$(in_systemd cat "/proc/$pid/status")
    for name in 'CapEff:.*0000000000000000' 'CapBnd:.*0000000000000000' 'NoNewPrivs:.*1' 'Seccomp:.*2' \
        'Uid:.*6[1-5][0-9]*'; do
        grep -E "^$name" <<<"$status"
    done
    if in_systemd setpriv --reuid="$(awk '$1 == "Uid:" { print $2 }' <<<"$status")" --clear-groups \
        cat /etc/tidesync/tidesync.env; then
        fail 'its user may read the secrets'
    fi
}

ensures_booted() {
    in_systemd systemctl start tidesync-ensure@slave-to-prod.service
    [[ $(property tidesync-ensure@slave-to-prod.service Result) == success ]]
    [[ $(sql production "$database" <<<'SELECT count(*) FROM item') == 100 ]]
}

# Nobody listens on port 1.
tries_again() {
    local unit=tidesync-ensure@slave-to-prod.service
    with_setting PROD_DATABASE_URL=postgresql://nobody@127.0.0.1:1/nothing
    if in_systemd systemctl start "$unit"; then fail 'it ended well'; fi
    [[ $(property "$unit" ExecMainStatus) == 3 ]]
    await "$unit" SubState auto-restart
    in_systemd systemctl stop "$unit"
}

starts_again() {
    in_systemd systemctl start tidesync.service
    await_ready
    in_systemd systemctl kill --signal KILL tidesync.service
    await tidesync.service NRestarts 1
    await_ready
}

stays_stopped() {
    with_setting TIDESYNC_LEASE=nonsense
    in_systemd systemctl restart tidesync.service || true
    await tidesync.service ActiveState failed
    [[ $(property tidesync.service ExecMainStatus) == 78 ]]
}

upgrades_booted() {
    local old
    in_systemd systemctl enable --now tidesync.service tidesync-ensure@slave-to-prod.timer
    await_ready
    old=$(property tidesync.service MainPID)
    in_systemd dpkg -i /root/tidesync.deb
    await_ready
    [[ $(property tidesync.service MainPID) != "$old" && $(property tidesync.service ActiveState) == active ]]
    [[ $(property tidesync-ensure@slave-to-prod.timer ActiveState) == active ]]
}

purges_booted() {
    in_systemd "${apt[@]}" purge tidesync
    if curl -fs --max-time 2 "http://127.0.0.1:$port/readyz"; then fail 'it still answers'; fi
    [[ -z $(in_systemd systemctl list-units --all --no-legend 'tidesync*') ]]
    [[ -z $(find "$trees/tools/etc" -name '*tidesync*') ]]
}

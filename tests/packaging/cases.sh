# shellcheck shell=bash
# The test cases of tests/packaging/run, in the order in which a person would meet them.

units=(tidesync.service tidesync-ensure@.service tidesync-ensure@.timer)
settings=(tidesync.env tidesync.yaml)
worker=''
port=''

run_cases() {
    unpack clean
    list_files clean >"$work/before"
    try 'installs on a clean system with all that it needs' installs
    try 'the program says its version and its verbs' says_version
    try 'every file is as it was packed' as_packed clean
    try 'secrets are for root, the job file for everybody' guards_secrets
    choose_port
    try 'the example settings are valid once filled in' valid_settings
    try 'without its job file the worker says so and ends with 78' misses_job_file
    try 'what tidesync.service says serves, and ends with 0' serves
    try 'what tidesync-ensure@.service says brings production in step' ensures
    try 'edited settings survive the same package again' keeps_settings
    try 'removed it leaves settings only, purged nothing' leaves_nothing
    drop_tree clean

    unpack tools
    try 'beside systemd it installs, and starts nothing' installs_idle
    for unit in "${units[@]}"; do try "systemd finds nothing to say of $unit" verifies "$unit"; done
    for unit in "${units[@]:0:2}"; do try "little is exposed by $unit" little_exposed "$unit"; done
    try 'the timer comes 45 minutes after each slot' ticks
    try 'the man page renders without a warning' renders
    try 'the man page has every verb and option' words man /usr/share/man/man1/tidesync.1.gz
    try 'bash completes every verb and option' words bash /usr/share/bash-completion/completions/tidesync
    try 'zsh completes every verb and option' words zsh /usr/share/zsh/vendor-completions/_tidesync
    try 'fish completes every verb and option' words fish /usr/share/fish/vendor_completions.d/tidesync.fish
    run_booted_cases
    drop_tree tools
    try 'cmake --install makes units for the prefix, and leaves /etc alone' installs_elsewhere
}

# -- on a clean system -------------------------------------------------------------------------------------------------

put_package() { cp "$package" "$trees/$1/root/tidesync.deb"; }

installs() {
    put_package clean
    install_in clean /root/tidesync.deb
    [[ $(in_tree clean dpkg-query -W -f '${db:Status-Status}' tidesync) == installed ]]
    if in_tree clean ldd /usr/bin/tidesync | grep 'not found'; then fail 'a library is missing'; fi
    echo "note: $(stat -c %s "$package") bytes, $(in_tree clean dpkg-query -W -f '${Installed-Size}' tidesync) KiB installed"
}

says_version() {
    local help
    [[ $(in_tree clean tidesync --version) == "tidesync $version" ]]
    help=$(in_tree clean tidesync --help)
    [[ $help == *'Usage: tidesync'*serve* ]]
}

# dpkg is silent where all is as it was; and both files in /etc must be its own to ask about.
as_packed() {
    local differs file
    differs=$(in_tree "$1" dpkg -V tidesync) || true
    [[ -z $differs ]] || fail "$differs"
    for file in "${settings[@]}"; do
        in_tree "$1" dpkg-query -W -f '${Conffiles}\n' tidesync | grep -F " /etc/tidesync/$file "
    done
}

guards_secrets() {
    [[ $(stat -c '%a %U %G' "$trees/clean/etc/tidesync/tidesync.env") == '600 root root' ]]
    chroot --userspec="$someone" "$trees/clean" cat /etc/tidesync/tidesync.yaml >/dev/null
    if chroot --userspec="$someone" "$trees/clean" cat /etc/tidesync/tidesync.env; then fail 'anybody may read secrets'; fi
}

# Below the range that the system gives to clients.
choose_port() {
    local attempt
    for attempt in {1..50}; do
        port=$((20000 + RANDOM % 12000))
        if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then return; fi
    done
    die "no free port below 32000"
}

# The values of a person; each stands in the example, so that whoever fills that in has all.
fill_settings() { # tree
    local file=$trees/$1/etc/tidesync/tidesync.env name value
    while IFS='=' read -r name value; do
        grep -q "^#*$name=" "$file" || fail "the example has no line for $name"
        value=${value//\\/\\\\}
        sed -i "s~^#*$name=.*~$name='${value//&/\\&}'~" "$file"
    done <<END
SLAVE_DATABASE_URL=${TIDESYNC_TEST_SLAVE_URL%/*}/$database
PROD_DATABASE_URL=${TIDESYNC_TEST_PROD_URL%/*}/$database
TIDESYNC_PUBLIC_URL=https://sync.example.com
QSTASH_CURRENT_SIGNING_KEY=sig_$(openssl rand -hex 16)
QSTASH_NEXT_SIGNING_KEY=sig_$(openssl rand -hex 16)
TIDESYNC_ADMIN_TOKEN=$(openssl rand -hex 32)
TIDESYNC_LISTEN=127.0.0.1:$port
END
}

# Prints what unit $2 says for $3, each time it does, with the instance in it.
said_by() { sed -n "s/^$3=//p" "$trees/$1/usr/lib/systemd/system/$2" | sed 's/%i/slave-to-prod/g'; }

# Becomes what a unit of the clean system starts, or COMMAND in its place: its environment and nothing else, nobody's
# rights. Files of settings are read as root, as systemd does.
become_unit() { # unit [command...]
    local unit=$1 file line command=() variables=()
    shift
    mapfile -t variables < <(said_by clean "$unit" Environment)
    while read -r file; do
        while read -r line; do variables+=("${line//\'/}"); done < <(grep '^[A-Z]' "$trees/clean/${file#-}")
    done < <(said_by clean "$unit" EnvironmentFile)
    read -ra command < <(said_by clean "$unit" ExecStart)
    [[ ${#variables[@]} -gt 1 && ${#command[@]} -gt 1 ]] || fail "$unit cannot be understood"
    if [[ $# -gt 0 ]]; then command=("$@"); fi
    # Not by `env`: passwords are no arguments.
    for line in $(compgen -e); do unset "$line"; done
    for line in "${variables[@]}"; do export "${line?}"; done
    exec /usr/bin/timeout --kill-after=5 120 /usr/sbin/chroot --userspec="$someone" "$trees/clean" "${command[@]}"
}

valid_settings() {
    local said
    fill_settings clean
    (become_unit tidesync.service /usr/bin/tidesync migrate)
    said=$(become_unit tidesync.service /usr/bin/tidesync check-config) || fail "$said"
    echo "$said"
    [[ $said == *'everything `tidesync serve` needs is there' && $said != *' is not a setting of '* ]]
}

misses_job_file() {
    local status=0 said
    mv "$trees/clean/etc/tidesync/tidesync.yaml" "$trees/clean/root/"
    said=$( (become_unit tidesync.service) 2>&1) || status=$?
    mv "$trees/clean/root/tidesync.yaml" "$trees/clean/etc/tidesync/"
    echo "$said"
    [[ $status -eq 78 && $said == */etc/tidesync/tidesync.yaml* ]]
}

serves() {
    local status=0 process
    become_unit tidesync.service &
    worker=$!
    trap kill_worker EXIT
    await_ready
    process=$(pgrep -P "$worker" -x tidesync)
    [[ $(stat -c %u "/proc/$process") == "${someone%:*}" ]] || fail "it runs as somebody else"
    kill -s TERM "$process" # not its timeout: that tells it twice, and the second time ends it at once
    wait "$worker" || status=$?
    worker=''
    [[ $status -eq 0 ]] || fail "SIGTERM ended it with $status"
}

# Its /readyz is 200 when it could start at once.
await_ready() {
    local attempt
    for attempt in {1..100}; do
        if curl -fs --max-time 2 "http://127.0.0.1:$port/readyz"; then return; fi
        sleep 0.1
    done
    fail "it was not ready within 10 s"
}

kill_worker() { if [[ -n $worker ]]; then kill -s TERM "$worker" 2>/dev/null || true; fi; }

ensures() {
    (become_unit tidesync-ensure@.service) # run it now, then prove it, then it has nothing to do
    (become_unit tidesync-ensure@.service /usr/bin/tidesync check slave-to-prod)
    (become_unit tidesync-ensure@.service) 2>&1 | grep 'nothing to do'
    [[ $(sql production "$database" <<<'SELECT count(*) FROM item') == 100 ]]
}

keeps_settings() {
    local before
    before=$(cat "$trees/clean/etc/tidesync/tidesync.env")
    install_in clean --reinstall /root/tidesync.deb
    [[ $(cat "$trees/clean/etc/tidesync/tidesync.env") == "$before" ]]
    [[ $(stat -c %a "$trees/clean/etc/tidesync/tidesync.env") == 600 ]]
}

# -- what is left ------------------------------------------------------------------------------------------------------

# All but what package management, certificates and the test itself keep.
list_files() {
    in_tree "$1" find / -xdev \( -path /proc -o -path /dev -o -path /root -o -path /tmp -o -path /var/lib/dpkg \
        -o -path /var/lib/apt -o -path /var/cache -o -path /var/log -o -path /etc/ssl/certs \
        -o -path '*/ca-certificates*' -o -name 'ld.so.cache*' \) -prune -o -print | sort
}

# What is there, was not before, and belongs to no package: not by its name nor by what that is where /bin is /usr/bin.
strays() {
    list_files clean | comm -13 "$work/before" - |
        grep -vxFf <(in_tree clean sh -c 'cat /var/lib/dpkg/info/*.list; cat /var/lib/dpkg/info/*.list | sed s,^,/usr,')
}

leaves_nothing() {
    local file stray
    in_tree clean "${apt[@]}" remove tidesync
    for file in "${settings[@]}"; do [[ -f $trees/clean/etc/tidesync/$file ]]; done
    [[ ! -e $trees/clean/usr/bin/tidesync ]]
    in_tree clean "${apt[@]}" purge tidesync
    stray=$(strays) || true
    [[ -z $stray ]] || fail "left behind: $stray"
    [[ ! -e $trees/clean/var/lib/dpkg/info/tidesync.list ]]
}

# -- beside systemd and the shells -------------------------------------------------------------------------------------

installs_idle() {
    put_package tools
    install_in tools /root/tidesync.deb | tee "$trees/tools/root/said"
    grep 'not started: it needs settings' "$trees/tools/root/said"
    [[ $(in_tree tools systemctl is-enabled tidesync.service) == disabled ]]
    [[ $(in_tree tools systemctl is-enabled tidesync-ensure@slave-to-prod.timer) == disabled ]]
}

instance_of() { echo "${1/@./@slave-to-prod.}"; }

verifies() {
    local said
    said=$(in_tree tools systemd-analyze verify --man=yes "$(instance_of "$1")" 2>&1) || fail "$said"
    [[ -z $said ]] || fail "$said"
}

little_exposed() {
    local said
    said=$(in_tree tools systemd-analyze security --no-pager --offline=yes --threshold="$exposure_max" "$(instance_of "$1")") ||
        fail "$said"
    echo "note: $(sed -n 's/.*Overall exposure level for [^:]*: \([0-9.]*\).*/\1/p' <<<"$said")"
}

ticks() {
    local calendar times
    calendar=$(said_by tools tidesync-ensure@.timer OnCalendar)
    times=$(in_tree tools systemd-analyze calendar --iterations=4 "$calendar" | grep -oE '[0-9]{2}:[0-9]{2}:00 UTC' | sort)
    echo "$calendar: $times"
    [[ $(tr '\n' ' ' <<<"$times") == '00:45:00 UTC 06:45:00 UTC 12:45:00 UTC 18:45:00 UTC ' ]]
}

renders() {
    local text warnings
    text=$(in_tree tools env MANWIDTH=100 man --warnings tidesync 2>"$trees/tools/root/warnings")
    warnings=$(cat "$trees/tools/root/warnings")
    [[ -z $warnings ]] || fail "$warnings"
    [[ $text == *'EXIT STATUS'* && $text == *'--dry-run'* ]] || fail "$text"
}

# The text of a page is read, not its compressed file.
words() {
    local file=$2
    mkdir -p "$trees/tools/root/words"
    cp "$here/words" "$here/complete.zsh" "$trees/tools/root/words/"
    if [[ $file == *.gz ]]; then
        gzip -dc "$trees/tools$file" >"$trees/tools/root/words/page"
        file=/root/words/page
    fi
    in_tree tools /root/words/words /usr/bin/tidesync "$1" "$file"
}

# -- without the package -----------------------------------------------------------------------------------------------

installs_elsewhere() {
    local prefix=$work/installed owner
    owner=$(owner)
    rm -rf "$prefix"
    install -d -o "${owner%:*}" -g "${owner#*:}" "$prefix"
    chroot --userspec="$owner" --skip-chdir / cmake --install "$root/build/release" --prefix "$prefix"
    "$prefix/bin/tidesync" --version
    grep -Fx "ExecStart=$prefix/bin/tidesync serve" "$prefix/lib/systemd/system/tidesync.service"
    [[ -z $(find "$prefix" -path '*/etc/*') && -f $prefix/share/doc/tidesync/examples/tidesync.env ]]
}

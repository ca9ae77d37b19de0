# shellcheck shell=bash
# What a person sees, and what happens when they have seen enough. Progress goes to stderr; stdout is for results.

live=false
if [[ -t 2 && ${TERM:-dumb} != dumb ]]; then live=true; fi
bold='' dim='' red='' plain=''
if $live && [[ -z ${NO_COLOR:-} ]]; then bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' plain=$'\e[0m'; fi

say() { printf '%s\n' "$*" >&2; }
die() { say "${red}./dev: $1${plain}"; exit "${2:-1}"; }
refuse_usage() { say "./dev: $*"; exit 64; }

# One finished step: a name in a column, and what there is to know.
report() { printf '%s%-10s%s %s\n' "$bold" "$1" "$plain" "${*:2}" >&2; }

# -- leaving -----------------------------------------------------------------------------------------------------------

cleanups=() # commands, run last to first however this script ends
task_pid='' # the running task; it leads a process group of its own

at_exit() { cleanups=("${*@Q}" "${cleanups[@]}"); }

leave() {
    set +e # a terminal that has gone, or
    trap '' INT TERM HUP PIPE # a second Ctrl-C, must not interrupt the clean-up
    local cleanup
    if [[ -n $task_pid ]]; then
        if $live; then printf '\r\e[K' >&2; fi
        stop_task
    fi
    for cleanup in "${cleanups[@]}"; do eval "$cleanup" || true; done
}
trap leave EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 141' PIPE
trap 'exit 143' TERM

# Ends the running task with all its children. Packages are an exception: half an installation helps nobody.
stop_task() {
    local began=$SECONDS
    if [[ $task_label == packages ]]; then
        say "Stopping once apt has finished: half an installation helps nobody."
        wait "$task_pid" || true
        return
    fi
    kill -s INT -- "-$task_pid" 2>/dev/null || true
    while kill -0 -- "-$task_pid" 2>/dev/null; do
        sleep 0.1
        if ((SECONDS - began > 10)); then kill -s KILL -- "-$task_pid" 2>/dev/null || true
        elif ((SECONDS - began > 2)); then kill -s TERM -- "-$task_pid" 2>/dev/null || true; fi
    done
    wait "$task_pid" 2>/dev/null || true # or bash would announce it
}

# -- tasks -------------------------------------------------------------------------------------------------------------

task_label=''
task_began=0

# task LABEL LOG COMMAND...  runs a command with its output in LOG, and meanwhile shows how far it is: on a terminal one
# line that keeps changing, elsewhere a plain line now and then if it takes long. Success is the caller's to report,
# failure is for `explain`.
task() {
    local log=$2 status=0 next_line=5
    task_label=$1 task_began=$SECONDS
    shift 2
    mkdir -p "${log%/*}"
    set -m # a process group of its own: Ctrl-C reaches this script alone, which then ends the task in good order
    "$@" >"$log" 2>&1 </dev/null &
    task_pid=$!
    set +m
    while kill -0 "$task_pid" 2>/dev/null; do
        sleep 0.2
        if $live; then
            show_line "$log"
        elif ((SECONDS - task_began >= next_line)); then
            say "$task_label ... $(elapsed), $(last_line "$log")"
            next_line=$((SECONDS - task_began + 30))
        fi
    done
    wait "$task_pid" || status=$?
    task_pid=''
    if $live; then printf '\r\e[K' >&2; fi
    return "$status"
}

elapsed() {
    local seconds=$((SECONDS - task_began))
    if ((seconds < 100)); then echo "$seconds s"; else echo "$((seconds / 60)) min $((seconds % 60)) s"; fi
}

# The last thing a task said, without addresses, versions and folders.
last_line() {
    tail -c 600 "$1" | tail -n 1 | sed -E -e 's/^Get:[0-9]+ [^ ]+ [^ ]+ [^ ]+ ([^ ]+) .*/Fetching \1/' \
        -e 's/^Preparing to unpack .*\/([0-9]+-)?([^_]+)_.*/Unpacking \2/' \
        -e 's/^(Setting up|Unpacking) ([^ :]+).*/\1 \2/' -e 's/^-- //' \
        -e 's/^(\[[0-9]+\/[0-9]+\]) Building .*\/([^/]+)\.o$/\1 compiling \2/' \
        -e 's/^(\[[0-9]+\/[0-9]+\]) Linking .* ([^ ]+)$/\1 linking \2/' | tr -cd '[:print:]'
}

spinner=0
spinner_frames='-\|/'
show_line() {
    local columns line
    read -r _ columns < <(stty size <&2 2>/dev/null || echo 24 80)
    spinner=$(((spinner + 1) % 4))
    line="$(elapsed)  $(last_line "$1")"
    if [[ $task_label == packages ]]; then line="$(elapsed)  $(apt_fraction "$1")$(last_line "$1")"; fi
    printf '\r\e[K%s%-10s%s %s %s%s%s' "$bold" "$task_label" "$plain" "${spinner_frames:spinner:1}" \
        "$dim" "${line:0:$((columns > 20 ? columns - 15 : 5))}" "$plain" >&2
}

# explain WHAT LOG  says that a task failed, shows the end of its log (or the first compiler errors), and leaves.
explain() {
    local status=${3:-1}
    say "${red}$1 failed${plain} after $(elapsed). From ${2#"$root"/}:"
    say ''
    if grep -q '^FAILED: ' "$2"; then
        sed -n '/^FAILED: /,$p' "$2" |
            grep -vE '^(FAILED: |\[[0-9]+/|/usr/bin/.*(g\+\+|clang\+\+)|: && )' | head -n 40 >&2
    else
        tail -n 20 "$2" >&2
    fi
    exit "$status"
}

# run_attached LABEL COMMAND...  a task that shows its own progress, or has results for stdout.
run_attached() {
    local status=0
    task_label=$1 task_began=$SECONDS
    shift
    set -m
    "$@" </dev/null &
    task_pid=$!
    set +m
    follow "$task_pid" || status=$?
    task_pid=''
    return "$status"
}

# Waits for a child in a way that a signal can interrupt.
follow() {
    local status=0
    wait "$1" || status=$?
    return "$status"
}

# shellcheck shell=bash
# Checks that need no running program. `./dev lint` makes all four; `./dev lint tidy` one.

dev_format() {
    [[ $# -eq 0 ]] || refuse_usage "format takes no arguments"
    need format
    cxx_files | xargs -0 -r clang-format-19 -i
    report format "$(cxx_files | tr -cd '\0' | wc -c) files"
}

dev_lint() {
    local checks=("$@") check status=0
    if [[ $# -eq 0 ]]; then checks=(format shell headers tidy); fi
    for check in "${checks[@]}"; do
        case $check in
            format | shell | headers | tidy) ;;
            *) refuse_usage "lint knows: format shell headers tidy" ;;
        esac
    done
    need lint
    for check in "${checks[@]}"; do
        "check_$check" || { status=1; say "${red}$check: not clean${plain}"; }
    done
    return "$status"
}

our_files() { find . \( -path ./build -o -path ./.git \) -prune -o -type f "$@" -print0 | sort -z; }
cxx_files() { our_files \( -name '*.cpp' -o -name '*.hpp' \); }

# Programs only: what ./dev sources is checked with it.
shell_files() {
    local file first
    while IFS= read -r -d '' file; do
        IFS= read -r first <"$file" 2>/dev/null || true
        if [[ $first =~ ^#!.*(bash|/sh)$ ]]; then printf '%s\0' "$file"; fi
    done < <(our_files -perm -u+x)
}

check_format() {
    if ! cxx_files | xargs -0 -r clang-format-19 --dry-run -Werror 2>&1 | head -n 40 >&2; then
        say "./dev format lays them out."
        return 1
    fi
    report format "clean"
}

check_shell() {
    shell_files | xargs -0 -r shellcheck -x || return 1
    report shell "clean"
}

# Every header compiles alone.
check_headers() {
    need build test
    local log=$root/build/logs/lint-headers.log
    task headers "$log" run_cmake dev all_verify_interface_header_sets || { show_errors "$log"; return 1; }
    report headers "clean, in $(elapsed)"
}

check_tidy() {
    need build test
    local log=$root/build/logs/lint-tidy.log
    task tidy "$log" run_tidy || { show_errors "$log"; return 1; }
    report tidy "clean, in $(elapsed)"
}

# clang-tidy reads the generated SQL headers too, so it needs a build, not only a configuration. It looks at what a file
# includes itself: with the precompiled headers it would search more of them for nothing. Tests are read with them, since
# few checks look at those, and most of the time goes into reading.
run_tidy() {
    local files number=0 file
    run_cmake dev || return
    mkdir -p build/tidy
    sed 's/ -Winvalid-pch .*cmake_pch\.hxx -o / -o /' build/dev/compile_commands.json >build/tidy/compile_commands.json
    mapfile -t files < <(sed -n 's/^ *"file": "\(.*\)",*$/\1/p' build/tidy/compile_commands.json |
        grep -vF "$root/build/" | sort -u)
    [[ ${#files[@]} -gt 0 ]] || { echo "error: compile_commands.json names no file"; return 1; }
    for file in "${files[@]}"; do printf '%s\0' "[$((++number))/${#files[@]}] ${file#"$root"/}"; done |
        xargs -0 -P "$(nproc)" -I{} bash -c "tidy_one \"\$1\"" tidy {}
}

# In the one file with coroutines the static analyzer cannot follow their frames and blames Boost's headers. Elsewhere it
# follows calls less far than it could: that takes a third of the time. Tests have a list of checks of their own.
tidy_one() {
    local output status=0 option fewer=() database=build/tidy
    for option in -Xclang -analyzer-config -Xclang mode=shallow; do fewer+=("--extra-arg=$option"); done
    if [[ ${1#* } == worker/http_server.cpp ]]; then fewer+=(--checks=-clang-analyzer-*); fi
    if [[ ${1#* } == tests/* ]]; then database=build/dev; fi
    output=$(clang-tidy-19 -p "$database" --quiet "${fewer[@]}" "${1#* }" 2>&1) || status=$?
    if [[ $status -ne 0 ]]; then printf '%s\n' "$output"; fi
    echo "$1"
    return "$status"
}
export -f tidy_one

# The errors in a log with the lines they point at, without progress, commands and the paths that led there.
show_errors() {
    awk '/(error|warning): |^error|undefined reference/ { show = 1 }
        /note: |^\[[0-9]+\/[0-9]+\]|^FAILED: |^\/usr\/bin\/|^[0-9]+ (warning|error)/ { show = 0 }
        show && ++lines <= 120
        END { if (lines > 120) print "... and " lines - 120 " lines more" }' "$1" >&2
    say "All of it: ${1#"$root"/}"
}

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

# Every header compiles alone. Those that their .cpp includes before all else do so in the release build, which reads no
# header beforehand; here the rest is compiled.
check_headers() {
    need build test
    local log=$root/build/logs/lint-headers.log
    task headers "$log" verify_headers || { show_errors "$log"; return 1; }
    report headers "clean, in $(elapsed)"
}

verify_headers() {
    local object header objects=() all=0
    cmake --preset dev || return
    while read -r object header; do
        all=$((all + 1))
        if [[ $(first_include "${header%.hpp}.cpp") != "\"$header\"" ]]; then objects+=("$object"); fi
    done < <(ninja -C build/dev -t targets all |
        sed -n 's/^\(.*_verify_interface_header_sets\/\(.*\.hpp\)\.cxx\.o\): .*/\1 \2/p')
    [[ $all -gt ${#objects[@]} && ${#objects[@]} -gt 0 ]] || { echo "error: CMake has no list of headers"; return 1; }
    echo "${#objects[@]} of $all headers stand first in no file"
    run_cmake dev "${objects[@]}"
}

first_include() { sed -n '/^#include /{s///p;q}' "$1" 2>/dev/null; }

check_tidy() {
    need build test
    (need tidy) || say "clang-tidy goes on without its plugin: it finds the same and takes twice as long."
    local log=$root/build/logs/lint-tidy.log
    task tidy "$log" run_tidy || { show_errors "$log"; return 1; }
    report tidy "clean, in $(elapsed)"
}

# clang-tidy reads the generated SQL headers too, so it needs a build, not only a configuration. In build/tidy stands
# how files are compiled without the precompiled headers: see tidy_one.
run_tidy() {
    local files number=0 file
    run_cmake dev || return
    mkdir -p build/tidy
    sed 's/ -Winvalid-pch .*cmake_pch\.hxx -o / -o /' build/dev/compile_commands.json >build/tidy/compile_commands.json
    mapfile -t files < <(sed -n 's/^ *"file": "\(.*\)",*$/\1/p' build/tidy/compile_commands.json |
        grep -vF "$root/build/" | sort -u)
    [[ ${#files[@]} -gt 0 ]] || { echo "error: compile_commands.json names no file"; return 1; }
    export tidy_plugin=''
    make_tidy_plugin || return
    for file in "${files[@]}"; do printf '%s\0' "[$((++number))/${#files[@]}] ${file#"$root"/}"; done |
        xargs -0 -P "$(nproc)" -I{} bash -c "tidy_one \"\$1\"" tidy {}
}

# Builds the plugin where LLVM's headers are, and trusts it once it has found a mistake in a file and one in its header.
make_tidy_plugin() {
    local headers=/usr/lib/llvm-19/include found place=$root/build/tidy/tests
    [[ -d $headers/clang && -d $headers/llvm ]] || return 0
    tidy_plugin=$root/build/tidy/own_code.so
    clang++-19 -std=c++20 -shared -fPIC -fno-rtti -isystem "$headers" dev.d/own_code.cpp -o "$tidy_plugin" || return
    mkdir -p "$place"
    echo 'inline void in_the_header() { int unset; }' >"$place/planted.hpp"
    printf '%s\n' '#include "planted.hpp"' 'void in_the_file() { int unset; }' >"$place/planted.cpp"
    found=$(clang-tidy-19 --load "$tidy_plugin" --quiet "$place/planted.cpp" -- 2>&1) || true
    if [[ $found != *planted.hpp:1:*init-variables* || $found != *planted.cpp:2:*init-variables* ]]; then
        echo "error: with its plugin clang-tidy does not find what was planted: $found"
        return 1
    fi
}

# In the one file with coroutines the static analyzer cannot follow their frames and blames Boost's headers. Elsewhere it
# follows calls less far than it could: that takes a third of the time. Tests have a list of checks of their own. With
# the plugin no check goes through the precompiled headers, so they spare the reading; without it they are more to go
# through than what most files include, and only tests gain.
tidy_one() {
    local output status=0 option options=(--quiet) database=build/dev
    if [[ -n $tidy_plugin ]]; then options+=(--load "$tidy_plugin"); fi
    for option in -Xclang -analyzer-config -Xclang mode=shallow; do options+=("--extra-arg=$option"); done
    if [[ ${1#* } == worker/http_server.cpp ]]; then options+=(--checks=-clang-analyzer-*); fi
    if [[ -z $tidy_plugin && ${1#* } != tests/* ]]; then database=build/tidy; fi
    output=$(clang-tidy-19 -p "$database" "${options[@]}" "${1#* }" 2>&1) || status=$?
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

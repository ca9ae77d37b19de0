# shellcheck shell=bash
# Building, and the two verbs that need nothing but a build.

dev_build() {
    [[ $# -eq 0 ]] || refuse_usage "build takes no arguments"
    need build
    build_preset release
    report binary build/release/tidesync
}

dev_bench() {
    need build demo conformance bench
    build_preset release all tidesync_load
    exec env TIDESYNC_BINARY="$root/build/release/tidesync" tests/bench/run "$@"
}

# build_preset PRESET [TARGET...]  configures and builds. One build at a time in each folder: the second one waits.
build_preset() {
    local preset=$1 log=$root/build/logs/build-$1.log
    mkdir -p "build/$preset"
    task "build" "$log" run_cmake "$@" || explain "building $preset" "$log"
    report build "$preset, in $(elapsed)"
}

run_cmake() {
    local preset=$1 target
    shift
    local targets=()
    for target in "$@"; do targets+=(--target "$target"); done
    exec {lock}>"build/$preset/.lock"
    flock -n "$lock" || { echo "waiting for another build of $preset"; flock "$lock"; }
    cmake --preset "$preset" && cmake --build --preset "$preset" "${targets[@]}"
}

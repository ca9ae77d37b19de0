# shellcheck shell=bash
# The tests: all of them under address and undefined-behaviour sanitizers, those tagged [threads] under the thread
# sanitizer as well. What is counted are Catch2 test cases, each a test of its own for ctest, the tests that let the
# official client of QStash loose on our servers, and those of the manifests for Kubernetes.

passed=0
failed=0
skipped=0
fault_servers_dir=''

dev_test() {
    if [[ "$*" == faults ]]; then
        need build demo test
        build_preset dev tidesync tidesync_faults
        test_faults
        finish_tests
        return
    fi
    if [[ "$*" == k8s ]]; then
        need build demo k8s image
        start_servers
        test_k8s
        keep_server_logs
        finish_tests
        return
    fi
    if [[ "$*" == packaging ]]; then
        need build package demo packaging
        build_preset release
        make_package
        start_servers
        test_packaging
        finish_tests
        return
    fi
    need build demo test
    if [[ $# -eq 0 ]]; then need conformance k8s image; fi
    build_preset dev
    start_servers
    export UBSAN_OPTIONS=print_stacktrace=1
    run_tests dev "$@"
    if [[ $# -eq 0 ]]; then
        test_faults
        test_conformance
        test_k8s
        test_threads
    else
        say "Faults, conformance, manifests and the thread sanitizer's part are left to ./dev test without arguments."
    fi
    keep_server_logs
    finish_tests
}

# The same seeds each time; ./dev faults plays others, and more of each.
test_faults() {
    local log=$root/build/logs/test-faults.log status=0 p=0 f=0
    start_fault_servers
    task faults "$log" play_faults dev || status=$?
    remove_fault_servers
    if [[ $(tail -n 1 "$log") =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
        p=${BASH_REMATCH[1]} f=${BASH_REMATCH[2]}
    fi
    if [[ $status -ne 0 && $f -eq 0 ]]; then f=1; fi
    if [[ $f -gt 0 ]]; then cat "$log" >&2; fi
    passed=$((passed + p)) failed=$((failed + f))
    report faults "$p passed, $f failed, in $(elapsed)"
}

# Optimised, because the sanitizers' workers keep two cores busy; ./dev test plays the short rounds with those.
dev_faults() {
    need build demo test
    build_preset faults
    start_fault_servers
    run_attached faults play_faults faults "$@"
}

# Two servers that only the suite uses, because it crashes them; durable, because what they confirm must survive that.
start_fault_servers() {
    local log=$root/build/logs/servers.log
    sweep_servers
    fault_servers_dir=$root/build/servers/$$.faults
    at_exit remove_fault_servers
    task servers "$log" start_quietly "$fault_servers_dir" --durable --memory || explain "starting the servers" "$log"
}

remove_fault_servers() { tests/servers remove "$fault_servers_dir" >/dev/null 2>&1; }

# play_faults PRESET [OPTION...]  becomes the suite; what it exports is for the suite alone.
play_faults() {
    local preset=$1
    shift
    # shellcheck source=/dev/null
    source "$fault_servers_dir/env"
    export TIDESYNC_BINARY=$root/build/$preset/tidesync UBSAN_OPTIONS=print_stacktrace=1
    export LSAN_OPTIONS=suppressions=$root/tests/lsan.supp:print_suppressions=0
    exec "build/$preset/tidesync_faults" "$@"
}

test_conformance() { test_with_release conformance 's/^\(covered [0-9]* calls\).*/\1/p'; }

test_k8s() { test_with_release k8s 's/^the image root has \(.*\)/image \1/p'; }

# test_with_release NAME SCRIPT  runs tests/NAME/run with the binary that users get: another compiler made it than the
# sanitizers', and has mistakes of its own. SCRIPT tells sed what else to report of its log. Where the suite cannot run
# it has failed: nothing was proven.
test_with_release() {
    local log=$root/build/logs/test-$1.log status=0 p=0 f=0
    build_preset release tidesync
    if grep -q TIDESYNC_FAILPOINT build/release/tidesync; then
        die "build/release/tidesync holds failpoints, which people must never run"
    fi
    export TIDESYNC_BINARY=$root/build/release/tidesync
    task "$1" "$log" "tests/$1/run" || status=$?
    if [[ $(tail -n 1 "$log") =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
        p=${BASH_REMATCH[1]} f=${BASH_REMATCH[2]}
    fi
    if [[ $f -eq 0 && ($status -ne 0 || $p -eq 0) ]]; then
        say "${red}The tests of tests/$1 did not run to their end.${plain} From ${log#"$root"/}:"
        tail -n 20 "$log" >&2
        f=1
    elif [[ $f -gt 0 ]]; then
        awk '/^not ok /{ show = 1; print; next } !/^    /{ show = 0 } show && ++lines <= 300' "$log" >&2
    fi
    passed=$((passed + p)) failed=$((failed + f))
    report "$1" "$p passed, $f failed, $(sed -n "$2" "$log"), in $(elapsed)"
}

# The package on clean systems. Needs root, and Debian's packages when it runs first.
test_packaging() {
    local log=$root/build/logs/test-packaging.log status=0 p=0 f=0
    task packaging "$log" tests/packaging/run || status=$?
    if [[ $(tail -n 1 "$log") =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
        p=${BASH_REMATCH[1]} f=${BASH_REMATCH[2]}
    fi
    if [[ $status -ne 0 && $f -eq 0 ]]; then f=1; fi
    if [[ $f -gt 0 ]]; then cat "$log" >&2; fi
    passed=$((passed + p)) failed=$((failed + f))
    report packaging "$p passed, $f failed, in $(elapsed)"
}

test_threads() {
    local before=$((passed + failed))
    build_preset tsan
    run_tests tsan
    if [[ $((passed + failed)) -eq $before ]]; then say "The thread sanitizer had no test to run."; fi
}

# run_tests PRESET [CTEST ARGUMENT...]  runs and counts. Your own arguments mean you want to watch, so ctest talks then.
run_tests() {
    local preset=$1 log=$root/build/logs/test-$1.log junit=$root/build/logs/test-$1.xml
    local status=0 watch=false before=("$passed" "$failed")
    shift
    if [[ $preset == dev && $# -gt 0 ]]; then watch=true; fi
    rm -f "$junit"
    export TIDESYNC_BINARY=$root/build/$preset/tidesync
    # Most tests wait for a server more than they compute.
    local ctest=(ctest --preset "$preset" -j $((2 * $(nproc))) --output-on-failure --timeout 300
        --output-junit "$junit" "$@")
    if $watch; then
        run_attached "test" "${ctest[@]}" >&2 || status=$?
    else
        task "test" "$log" "${ctest[@]}" || status=$?
        show_failures "$log"
    fi
    count_results "$junit"
    if [[ $status -ne 0 && $failed -eq 0 ]]; then
        say "ctest ended with $status, though no test failed."
        failed=1
    fi
    report "test" "$preset, $((passed - before[0])) passed, $((failed - before[1])) failed, in $(elapsed)"
}

# Adds up what ctest's JUnit file says. Its own totals call a test without executable "skipped"; here it failed, and so
# did a "passed" one in which Catch2 found no test case of that name.
count_results() {
    local p f s
    if [[ ! -f $1 ]]; then return; fi
    read -r p f s < <(awk '
        function settle() { if (state != "") sum[state]++; state = "" }
        /^\t<testcase /                 { settle(); state = "failed"; name = $0
                                          if (/ status="run">$/) state = "passed"
                                          if (/ status="disabled">$/) state = "skipped" }
        /^\t\t<skipped message="SKIP_/  { state = "skipped" }
        /No test cases matched/ && state == "passed" {
            state = "failed"; sub(/^.* name="/, "", name); sub(/" classname=.*/, "", name)
            print "Catch2 knows no test case called: " name >"/dev/stderr"
        }
        END { settle(); print sum["passed"] + 0, sum["failed"] + 0, sum["skipped"] + 0 }' "$1")
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

# Prints the output of the tests that failed, out of ctest's.
show_failures() {
    awk '
        /^ *[0-9]+\/[0-9]+ Test +#[0-9]+: /  { show = /\*\*\*/ && !/\*\*\*(Skipped|Not Run \(Disabled\))/ }
        /^ *Start +[0-9]+: |^[0-9]+% tests passed/ { show = 0 }
        show && ++lines <= 300
        END { if (lines > 300) print "... and " lines - 300 " lines more" }' "$1" >&2
}

keep_server_logs() {
    local name
    for name in slave production; do cat "$servers_dir/place/$name.log" >"build/logs/server-$name.log" || true; done
}

finish_tests() {
    if [[ $skipped -gt 0 ]]; then say "$skipped skipped"; fi
    if [[ $((passed + failed)) -eq 0 ]]; then say "No test ran."; fi
    echo "$passed passed, $failed failed"
    [[ $failed -eq 0 && $passed -gt 0 ]]
}

# shellcheck shell=bash
# Whether time grows as the rows do, and whether memory does not: tidesync alone, three sizes of a table of two columns.
# `run` sources this and says what its names mean.

measure_narrow() {
    local sizes=($((rows / 100)) $((rows / 10)) "$rows") cases=(first unchanged changed) size round name
    shape=narrow_
    for size in "${sizes[@]}"; do
        become_narrow "$size"
        make_states "${cases[@]}"
    done
    for ((round = 0; round <= runs; round++)); do
        for name in "${cases[@]}"; do
            for size in "${sizes[@]}"; do
                become_narrow "$size"
                attend prepare "$name" tidesync
                run_once "narrow $name" "$round" tidesync
                verify "narrow $name" tidesync
            done
        done
    done
    print_narrow_report
}

become_narrow() { # rows
    rows=$1
    origin=narrow_$1
    states=narrow_$1
}

print_narrow_report() {
    local json_file
    json_file=$work/$(date -u +%Y%m%dT%H%M%SZ)-narrow.json
    on slave samples -v cores="$(nproc)" -v json_file="$json_file" -v machine="$machine" \
        -v row_bytes="$(on slave "$origin" -c "SELECT pg_relation_size('bench') / count(*) FROM bench")" \
        -v server_version="$(server_version)" -v settings="$(settings)" -v binary_version="$("$binary" --version)" \
        -f "$here/narrow_report.sql"
    say "all samples: ${json_file#"$root"/}"
}

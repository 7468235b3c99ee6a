#!/usr/bin/env bash
# Runs every fuzz target in parallel, and prints the result of each: `fuzz/campaign.sh HOURS [TARGET…]`.
#
# HOURS (may be a fraction) is the time of each target. As many run at once as there are cores. New inputs go to fuzz/corpus/TARGET, crashes
# to fuzz/artifacts/TARGET; both are kept for the next campaign. Exit code 1: a crash.
set -euo pipefail
cd "$(dirname "$0")/.."

hours=${1:?usage: fuzz/campaign.sh HOURS [TARGET…]}
shift
seconds=$(awk -v hours="$hours" 'BEGIN { printf "%d", hours * 3600 }')
targets=("$@")
[ ${#targets[@]} -gt 0 ] || mapfile -t targets < <(cd fuzz/fuzz_targets && for file in *.rs; do echo "${file%.rs}"; done)
jobs=${JOBS:-$(nproc)}
logs=fuzz/logs
mkdir -p "$logs"

# A stable toolchain has what a fuzzer needs, but only with this variable.
export RUSTC_BOOTSTRAP=1 RAYON_NUM_THREADS=1
cargo fuzz build --fuzz-dir fuzz
programs=fuzz/target/$(rustc -vV | sed -n 's/^host: //p')/release

run() {
    local target=$1 corpus=fuzz/corpus/$1
    mkdir -p "$corpus" "fuzz/artifacts/$target" "fuzz/seeds/$target"
    # Not with `cargo fuzz run`, which would build again if a file has changed meanwhile.
    "$programs/$target" "$corpus" "fuzz/seeds/$target" fuzz/seeds/any -artifact_prefix="fuzz/artifacts/$target/" \
        -max_total_time="$seconds" -max_len=65536 -timeout=60 -rss_limit_mb=4096 -print_final_stats=1 \
        >"$logs/$target.log" 2>&1 || true
}
export -f run
export seconds logs programs
printf '%s\n' "${targets[@]}" | xargs -P "$jobs" -I TARGET bash -c 'run TARGET'

printf '\n%-16s %14s %10s %10s %8s %8s\n' target executions exec/s coverage corpus crashes
crashes=0
for target in "${targets[@]}"; do
    log=$logs/$target.log
    of() { grep -ao "$1" "$log" | tail -1 | grep -o '[0-9]*$' || echo 0; }
    found=$(find "fuzz/artifacts/$target" -type f 2>/dev/null | wc -l)
    crashes=$((crashes + found))
    printf '%-16s %14s %10s %10s %8s %8s\n' "$target" "$(of 'stat::number_of_executed_units: *[0-9]*')" \
        "$(of 'stat::average_exec_per_sec: *[0-9]*')" "$(of 'cov: [0-9]*')" \
        "$(find "fuzz/corpus/$target" -type f | wc -l)" "$found"
done
[ "$crashes" -eq 0 ]

#!/usr/bin/env bash
# Submits a decode in shards: a plan, an array of shards, and a merge that waits for all of them.
# usage: decode.sh OUT N INPUT… [-- OPTIONS OF ekvsnap plan]     for example: decode.sh /lustre/backup 16 /lustre/snapshots -- --layout jsonl
set -euo pipefail

out=$1 n=$2
shift 2
inputs=() options=()
while (($#)) && [[ $1 != -- ]]; do
    inputs+=("$(realpath "$1")")
    shift
done
(($#)) && options=("${@:2}")
work=$out.work
mkdir -p "$work"

# What a job runs, quoted for its shell.
words() { printf '%q ' "$@"; }

plan=$(sbatch --parsable --job-name=ekvsnap-plan --cpus-per-task=4 --mem=4G --output="$work/plan-%j.log" \
    --wrap="$(words ekvsnap plan "${inputs[@]}" -o "$work/PLAN" --force "${options[@]}")")
# A shard that is requeued ends the same; one that is complete takes no time.
shards=$(sbatch --parsable --job-name=ekvsnap-shards --array="0-$((n - 1))" --requeue --dependency="afterok:$plan" \
    --cpus-per-task=4 --mem=4G --output="$work/shard-%a.log" \
    --wrap="$(words ekvsnap decode --plan "$work/PLAN" --shard auto --shards "$n" -o "$work/shards")"'--threads "$SLURM_CPUS_PER_TASK"')
sbatch --parsable --job-name=ekvsnap-merge --dependency="afterok:$shards" --cpus-per-task=2 --mem=4G \
    --output="$work/merge-%j.log" --wrap="$(words ekvsnap merge --plan "$work/PLAN" "$work/shards" -o "$out")"

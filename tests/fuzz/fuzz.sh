#!/bin/sh
# tests/fuzz/fuzz.sh PROGRAM SEEDS FOUND SECONDS - runs a libFuzzer program, from the seeds and from what earlier runs found.
set -eu
program=$1 seeds=$2 found=$3 seconds=$4
mkdir -p "$found/corpus"
exec "$program" -max_total_time="$seconds" -timeout=10 -max_len=4096 -print_final_stats=1 -verbosity=1 \
    -artifact_prefix="$found/" "$found/corpus" "$seeds"

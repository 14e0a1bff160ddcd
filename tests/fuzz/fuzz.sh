#!/bin/sh
# tests/fuzz/fuzz.sh PROGRAM SEEDS DICTIONARY FOUND SECONDS [must-find] - runs a libFuzzer program from the seeds and from what earlier
# runs found.
#
# In rounds of two minutes, since what a program never frees (atoms) has a bound, and behind it nothing new is seen. With `must-find` the
# program has a bug put in: then it is the run that finds nothing that fails, and so does one whose seeds show the bug at once.
set -eu
program=$1 seeds=$2 dictionary=$3 found=$4 seconds=$5 must_find=${6-}
round=120

fuzz() { # SECONDS
    "$program" -max_total_time="$1" -timeout=25 -max_len=4096 -print_final_stats=1 -verbosity=1 \
        -dict="$dictionary" -artifact_prefix="$found/" "$found/corpus" "$seeds"
}

if [ "$must_find" = must-find ]; then
    rm -rf "$found"
    mkdir -p "$found/corpus"
    "$program" -runs=0 "$seeds" || { echo 'the seeds show the bug at once: nothing is proved'; exit 1; }
    ! fuzz "$seconds" || { echo "the bug that was put in was not found in $seconds s"; exit 1; }
    set -- "$found"/crash-*
    [ -f "$1" ] || { echo 'it failed otherwise than by a crash'; exit 1; }
    exit 0
fi
mkdir -p "$found/corpus"
end=$(($(date +%s) + seconds))
while left=$((end - $(date +%s))) && [ "$left" -gt 0 ]; do
    fuzz $((left < round ? left : round))
done

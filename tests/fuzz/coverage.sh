#!/bin/sh
# tests/fuzz/coverage.sh PROGRAM SEEDS SOURCE LEAST - how many of SOURCE's lines the kept seeds reach, by gcov; fails below LEAST percent.
#
# PROGRAM is replay.c with the fuzzer's function, compiled by gcc --coverage; what it notes lies beside its objects, in PROGRAM.p.
set -eu
if [ "${1-}" = --help ]; then
    sed -n '2,4s/^# //p' "$0"
    exit 0
fi
program=$1 seeds=$2 source=$3 least=$4
name=$(basename "$source" .c)
find "$program.p" -name '*.gcda' -delete
"$program" "$seeds"
notes=$(find "$program.p" -name "*term_$name.c.gcda")
[ -n "$notes" ] || { echo "$source left no figures"; exit 1; }
percent=$(gcov -n "$notes" | grep -A1 "File '.*$source'" | sed -n 's/^Lines executed:\([0-9.]*\)%.*/\1/p')
echo "$source: $percent % of its lines, at least $least wanted"
[ "${percent%.*}" -ge "$least" ]

#!/bin/sh
# run.sh - runs one benchmark of peers.erl in an Erlang node of its own.
#
#   run.sh --only NAME --cores N [--quick] [--json]
#   run.sh --list
#   run.sh --build          compiles only
#
# N is the number of schedulers; which cores they may use is the caller's affair (taskset). The
# compiled modules go to $ES_BENCH_OUT, or build/peers of the project.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
out=${ES_BENCH_OUT:-$here/../../../build/peers}
what=
cores=1
size=full

while [ $# -gt 0 ]; do
    case $1 in
    --only) what=${2:?--only needs a name}; shift ;;
    --cores) cores=${2:?--cores needs a number}; shift ;;
    --quick) size=quick ;;
    --json) ;;
    --list) what=list size= ;;
    --build) what=build ;;
    *) echo "run.sh: unknown argument $1" >&2; exit 2 ;;
    esac
    shift
done
[ -n "$what" ] || { echo "run.sh: --only NAME, --list or --build" >&2; exit 2; }

# find prints the sources that are newer than what was made of them.
if [ ! -f "$out/peers.beam" ] || [ -n "$(find "$here" -name '*.erl' -newer "$out/peers.beam")" ]; then
    mkdir -p "$out"
    erlc -o "$out" "$here"/peer_*.erl "$here/peers.erl" >&2
fi
[ "$what" != build ] || exit 0

# +P: room for a million processes.
export ERL_CRASH_DUMP_SECONDS=0
export ES_BENCH_ECHO_LOAD="${ES_BENCH_ECHO_LOAD:-$here/../../../build/release/bench/echo-load}"
# shellcheck disable=SC2086 # $size is one word or none
exec erl +S "$cores:$cores" +P 2000000 -noshell -noinput -boot start_clean -pa "$out" \
    -s peers main -extra "$what" $size

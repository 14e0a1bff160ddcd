#!/bin/bash
# scripts/demo.sh [OPTION]... - a telephone exchange under load, whose processes are killed one a second, supervisors included.
#
#   --seconds N              how long new calls are made (60)
#   --rate N                 new calls a second (200); each lasts 10 s, so ten times as many are up
#   --kills-per-second N     processes anywhere in the tree that are killed (1)
#   --crashes-per-second N   processes of calls that have a bug, and crash by it (0)
#
# Builds for release in build/demo, starts the exchange and SIPp as caller and callee, and shows each kill and what became of it. Ctrl-C ends
# it in order. The exit status is 0 when no call was lost but those whose own processes were killed, or a supervisor above them.
set -u
cd "$(dirname "$0")/.." || exit 1

seconds=60 rate=200 kills=1 crashes=0
options='--seconds N, --rate N, --kills-per-second N, --crashes-per-second N'
while [ $# -gt 0 ]; do
    case ${2-} in '' | *[!0-9]*) echo "demo: $1 needs a number; options: $options" >&2; exit 2 ;; esac
    case $1 in
    --seconds) seconds=$2 ;;
    --rate) rate=$2 ;;
    --kills-per-second) kills=$2 ;;
    --crashes-per-second) crashes=$2 ;;
    *) echo "demo: unknown option $1; options: $options" >&2; exit 2 ;;
    esac
    shift 2
done

scripts/setup.sh demo || exit 1
build=build/demo
log=build/demo.log
mkdir -p build
build() {
    [ -f $build/build.ninja ] || { rm -rf $build; meson setup $build --buildtype=release -Db_ndebug=false -Dtests=disabled -Dsip=enabled; } || return 1
    ninja -C $build examples/exchange/exchange examples/exchange/exchange_attacked
}
echo 'demo: building'
if ! build >$log 2>&1; then
    tail -n 20 $log >&2
    echo "demo: the build failed; see $log" >&2
    exit 1
fi
echo "demo: $rate new calls a second for $seconds s, each lasts 10 s; $kills processes a second are killed, anywhere below the root"

next="What to try next:
  more kills        scripts/demo.sh --kills-per-second 5       (or --rate 400; the logs are in build/demo-logs)
  bugs, not kills   scripts/demo.sh --kills-per-second 0 --crashes-per-second 20
  your own bug      put one into examples/exchange/leg.c, for one caller only, and run this again
  your own phone    $build/examples/exchange/exchange, and let a SIP telephone register at 127.0.0.1:5060
  how it is made    examples/exchange/README.md has the tree; start reading at examples/exchange/tree.c"

exec scripts/exchange-soak $build/examples/exchange/exchange_attacked --show --folder build/demo-logs --seconds "$seconds" --rate "$rate" \
    --kills-per-second "$kills" --crashes-per-second "$crashes" --epilogue "$next"

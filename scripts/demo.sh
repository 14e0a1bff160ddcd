#!/bin/bash
# scripts/demo.sh [OPTION]... - a telephone exchange under load, whose processes are made to crash all the time.
#
#   --seconds N              how long new calls are made (30)
#   --rate N                 new calls a second (200); each lasts 10 s, so ten times as many are up
#   --crashes-per-second N   processes of calls that are made to crash (1)
#
# Builds for release in build/demo, starts the exchange and SIPp as caller and callee, and shows the exchange's screen. Ctrl-C ends
# it in order. The exit status is 0 when nothing but the crashed calls was harmed.
set -u
cd "$(dirname "$0")/.." || exit 1

seconds=30 rate=200 crashes=1
while [ $# -gt 0 ]; do
    case ${2-} in '' | *[!0-9]*) echo "demo: $1 needs a number; options: --seconds N, --rate N, --crashes-per-second N" >&2; exit 2 ;; esac
    case $1 in
    --seconds) seconds=$2 ;;
    --rate) rate=$2 ;;
    --crashes-per-second) crashes=$2 ;;
    *) echo "demo: unknown option $1; options: --seconds N, --rate N, --crashes-per-second N" >&2; exit 2 ;;
    esac
    shift 2
done

scripts/setup.sh demo || exit 1
build=build/demo
log=build/demo.log
mkdir -p build
build() {
    [ -f $build/build.ninja ] || { rm -rf $build; meson setup $build --buildtype=release -Db_ndebug=false -Dtests=disabled -Dsip=enabled; } || return 1
    ninja -C $build examples/exchange/exchange
}
echo 'demo: building'
if ! build >$log 2>&1; then
    tail -n 20 $log >&2
    echo "demo: the build failed; see $log" >&2
    exit 1
fi
echo "demo: $rate new calls a second for $seconds s, each lasts 10 s; $crashes of their processes crash each second"

next="What to try next:
  more crashes      scripts/demo.sh --crashes-per-second 20    (or --rate 400; the logs are in build/demo-logs)
  your own bug      put one into examples/exchange/leg.c, for one caller only, and run this again
  your own phone    $build/examples/exchange/exchange --port 5060, and let a SIP telephone register at 127.0.0.1"

exec scripts/exchange-soak $build/examples/exchange/exchange --show --folder build/demo-logs --seconds "$seconds" --rate "$rate" \
    --crashes-per-second "$crashes" --epilogue "$next"

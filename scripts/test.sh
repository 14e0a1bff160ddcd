#!/bin/bash
# scripts/test.sh [BUILD...] - every build there is, all tests in each, one line at the end.
#
#   gcc      what most people get; the house and the    build/gcc
#            models, which are the same in every build
#   clang    the other compiler                         build/clang
#   asan     gcc, AddressSanitizer and UBSan            build/asan
#   tsan     clang, ThreadSanitizer; tests that race    build/tsan
#   minimal  every optional feature off; the smoke      build/minimal
#
# ES_TEST_ROUNDS=N  runs 1/N of the repetitions that the cases name (100; 1 is the long run).
# build/cases.tsv   tells afterwards which semantic case was proved by which test in which build; a case that no
#                   test proved counts as a failure (scripts/cases-missing).
# Ends with the line `N passed, N failed` (and `, N skipped`). Not 0 when something failed or nothing ran.
set -u
cd "$(dirname "$0")/.." || exit 1
rounds=${ES_TEST_ROUNDS:-100}
builds=("$@")
[ $# -gt 0 ] || builds=(gcc clang asan tsan minimal)

scripts/setup.sh test || { echo '0 passed, 1 failed'; exit 1; }
mkdir -p build
exec 9>build/.lock
if command -v flock >/dev/null && ! flock -n 9; then
    echo 'test: another test run is busy in this folder; waiting for it'
    flock 9
fi

# Some tests mostly wait: for time, an Erlang node, telephones.
cores=$(nproc)
at_once=$((cores + (cores + 1) / 2))

# ThreadSanitizer of clang 14 wants a plain address space; where this is refused, it is tried without.
plain_addresses=()
if setarch -R true 2>/dev/null; then
    plain_addresses=(setarch -R)
fi

# Where libraries live on a Debian system. Meson asks dpkg-architecture, which a small system does not have, and
# would then choose lib64, where neither the loader nor CMake looks.
library_folder=()
if [ -f /etc/debian_version ] && [ -n "$(gcc -print-multiarch)" ]; then
    library_folder=(-Dlibdir="lib/$(gcc -print-multiarch)")
fi

configure() { # BUILD OPTION...
    local build=$1
    shift
    if [ -f "build/$build/build.ninja" ]; then
        meson configure "build/$build" "$@" && return 0
        rm -rf "build/$build"
    fi
    # A folder that an interrupted run left half configured is in the way.
    [ -f "build/$build/build.ninja" ] || rm -rf "build/$build"
    meson setup "build/$build" "$@"
}

run() { # BUILD
    local build=$1 compiler label options=(-Drounds="$rounds" -Dhouse=disabled) select=() targets=() wrap=()
    compiler=gcc
    case $build in
        gcc) options=("${library_folder[@]}" -Drounds="$rounds" -Dtests=enabled -Dhouse=enabled) ;;
        clang) compiler=clang; options+=(-Dtests=enabled) ;;
        asan)
            # More optimization takes gcc twice as long here, and the tests run no faster.
            options+=(-Dtests=enabled -Dexamples=disabled '-Db_sanitize=address,undefined' -Db_lundef=false -Doptimization=1) ;;
        tsan)
            compiler=clang
            options+=(-Dtests=enabled -Dexamples=disabled -Db_sanitize=thread -Db_lundef=false)
            select=(--suite threads) targets=(thread_tests) wrap=("${plain_addresses[@]}") ;;
        minimal) options+=(-Dauto_features=disabled) ;;
        *) echo "test: no such build: $build (gcc clang asan tsan minimal)" >&2; exit 2 ;;
    esac
    label=$compiler-$($compiler -dumpversion | cut -d. -f1)
    case $build in
        asan) label+=' asan+ubsan' ;;
        tsan) label+=' tsan' ;;
        minimal) label+=' minimal' ;;
    esac
    mkdir -p build/log
    rm -rf "build/log/$build.broken" "build/log/$build.cases" "build/$build/meson-logs/testlog.json"
    printf '%s\n' "$label" >"build/log/$build.label"

    printf '== %s: build\n' "$build"
    if ! CC=$compiler configure "$build" "${options[@]}" >"build/log/$build.txt" 2>&1; then
        echo 'meson setup' >"build/log/$build.broken"
        return
    fi
    if [ "$build" = tsan ] && ! ninja -C "build/$build" -t query thread_tests >/dev/null 2>&1; then
        printf '== %s: no test races threads yet\n' "$build"
        return
    fi
    if ! ninja -C "build/$build" "${targets[@]}" >>"build/log/$build.txt" 2>&1; then
        echo "ninja -C build/$build ${targets[*]}" >"build/log/$build.broken"
        return
    fi
    printf '== %s: test\n' "$build"
    mkdir -p "build/log/$build.cases"
    PYTHONUNBUFFERED=1 ES_CASES_DIR="$PWD/build/log/$build.cases" MESON_TESTTHREADS=$at_once "${wrap[@]}" \
        meson test -C "build/$build" --no-rebuild "${select[@]}" 2>&1 </dev/null |
        tee -a "build/log/$build.txt" | sed -un "s|^ *\([0-9]*/[0-9]* .*\)|$build \1|p"
}

for build in "${builds[@]}"; do
    run "$build"
done
scripts/test-results "${builds[@]}"

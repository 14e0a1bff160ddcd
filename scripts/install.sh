#!/bin/sh
# scripts/install.sh - builds for release and installs below PREFIX (/usr/local), or DESTDIR/PREFIX for packagers.
set -eu
if [ $# -gt 0 ]; then
    echo "install.sh: takes no arguments; say where by PREFIX=/some/where and DESTDIR=" >&2
    exit 2
fi
cd "$(dirname "$0")/.."
prefix=${PREFIX:-/usr/local}
scripts/setup.sh build
# Where libraries live on a Debian system. Meson asks dpkg-architecture, which a small system does not have, and
# would then choose lib64, where neither the loader nor CMake looks.
set -- --prefix "$prefix"
if [ -f /etc/debian_version ] && [ -n "$(cc -print-multiarch 2>/dev/null)" ]; then
    set -- "$@" --libdir "lib/$(cc -print-multiarch)"
fi
if [ -f build/release/build.ninja ]; then
    meson configure build/release "$@"
else
    meson setup build/release "$@" --buildtype release -Dtests=disabled -Dhouse=disabled \
        -Dexamples=disabled >/dev/null
fi
ninja -C build/release
meson install -C build/release --no-rebuild --quiet
[ -z "${DESTDIR:-}" ] || exit 0
if [ "$(id -u)" = 0 ] && command -v ldconfig >/dev/null; then
    ldconfig
fi

echo
echo "Engset is installed below $prefix. Next:"
# shellcheck disable=SC2016 # this is what the reader types
compile='cc hello.c $(pkg-config --cflags --libs engset) -o hello'
if pkg-config --exists engset 2>/dev/null; then
    echo "    $compile"
else
    pc=$(find "$prefix" -name engset.pc 2>/dev/null | head -n 1)
    echo "    export PKG_CONFIG_PATH=${pc%/*}"
    libraries=${pc%/*/*}
    echo "    export LD_LIBRARY_PATH=$libraries"
    echo "    $compile"
fi

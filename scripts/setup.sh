#!/bin/sh
# scripts/setup.sh [--list] GROUP... - makes sure that what a task needs is on this machine.
#
# Groups: build test demo bench docs. What is there already is not touched, and then nothing is printed. What is
# missing is installed with apt-get, by root or through sudo. On another system the list of what is needed is
# printed instead. A missing optional package is named with what is lost; only a missing required one stops.
set -u

# group|package|how to see that it is there|required or optional|why
needs() {
    cat <<'END'
build|gcc|cmd gcc|required|compiles the library
build|libc6-dev|file /usr/include/stdio.h|required|the headers of the C library
build|meson|cmd meson|required|describes the build
build|ninja-build|cmd ninja|required|runs the build
build|pkg-config|cmd pkg-config|required|finds libraries
build|python3|cmd python3|required|Meson runs on it
build|libssl-dev|file /usr/include/openssl/ssl.h|optional|encrypted streams: libengset-tls
test|openssl|cmd openssl|optional|the other side in the tests of encrypted streams
test|g++|cmd g++|required|compiles the public headers as C++
test|clang|cmd clang|required|the second compiler, and ThreadSanitizer
test|libclang-rt|tsan|required|the run-time library of ThreadSanitizer
test|libcmocka-dev|file /usr/include/cmocka.h|required|the test framework
test|cmake|cmd cmake|required|a consumer of the installed library is built with it
test|clang-format|cmd clang-format|optional|checks the form of the code
test|patch|cmd patch|required|puts in the bugs that the tests must find
test|gcc-aarch64-linux-gnu|cmd aarch64-linux-gnu-gcc|optional|compiles the machine's room for aarch64
test|libc6-dev-arm64-cross|file /usr/aarch64-linux-gnu/include/stdio.h|optional|the headers of the C library for aarch64
test|qemu-user|cmd qemu-aarch64|optional|runs what was compiled for aarch64
test|shellcheck|cmd shellcheck|optional|checks the scripts
test|spin|cmd spin|optional|checks the models of the lock-free parts
test|valgrind|cmd valgrind|optional|counts the instructions of the paths that must stay short, and checks the memory of simulated worlds
test|libosip2-dev|file /usr/include/osip2/osip.h|optional|parses SIP in the telephone exchange example
test|libuv1-dev|file /usr/include/uv.h|optional|an event loop that drives a node in an example
test|sip-tester|cmd sipp|optional|plays the telephones of the exchange example
test|wrk|cmd wrk|optional|asks the HTTP example in scripts/http-soak
test|erlang-base|cmd erl|optional|the real Erlang that the semantic cases are compared with
demo|libosip2-dev|file /usr/include/osip2/osip.h|required|parses SIP in the telephone exchange example
demo|sip-tester|cmd sipp|required|plays the telephones of the exchange example
bench|erlang-base|cmd erl|optional|Erlang, to compare with
bench|golang-go|cmd go|optional|Go, to compare with
docs|python3|cmd python3|required|writes the reference from the headers
END
}

say() { printf 'setup: %s\n' "$*"; }

present() {
    case $1 in
        'cmd '*) command -v "${1#cmd }" >/dev/null 2>&1 ;;
        'file '*)
            [ -e "${1#file }" ] || [ -e "/usr/local/include/${1#file /usr/include/}" ] ;;
        tsan)
            command -v clang >/dev/null 2>&1 && probe=$(mktemp -d) || return 1
            echo 'int main(void) { return 0; }' >"$probe/a.c"
            clang -fsanitize=thread "$probe/a.c" -o "$probe/a" >/dev/null 2>&1
            found=$?
            rm -rf "$probe"
            return $found ;;
    esac
}

# The package's name on this system: libclang-rt carries clang's version in its name.
package_name() {
    if [ "$1" = libclang-rt ]; then
        version=$(clang -dumpversion 2>/dev/null | cut -d. -f1)
        [ -n "$version" ] || version=$(apt-cache depends clang 2>/dev/null | sed -n 's/.*Depends: clang-\([0-9]*\)$/\1/p' | head -n 1)
        echo "libclang-rt-${version:-14}-dev"
    else
        echo "$1"
    fi
}

# What of the chosen groups is missing: the lines of needs(), optionally only those of one urgency.
missing() {
    for group in $groups; do
        needs | while IFS='|' read -r of package check urgency why; do
            [ "$of" = "$group" ] || continue
            [ $# -eq 0 ] || [ "$urgency" = "$1" ] || continue
            present "$check" || printf '%s|%s|%s|%s|%s\n' "$of" "$package" "$check" "$urgency" "$why"
        done
    done | sort -u
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        env DEBIAN_FRONTEND=noninteractive "$@"
    else
        sudo env DEBIAN_FRONTEND=noninteractive "$@"
    fi
}

install_packages() {
    as_root apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "$@" >>"$log" 2>&1 </dev/null
}

names_of() {
    echo "$1" | while IFS='|' read -r _ package _; do
        [ -z "$package" ] || package_name "$package"
    done | sort -u
}

list=no
groups=
for word in "$@"; do
    case $word in
        --list) list=yes ;;
        build) groups="$groups build" ;;
        test | demo | bench) groups="$groups build $word" ;;
        docs) groups="$groups docs" ;;
        *) say "no such group: $word (build test demo bench docs)" >&2; exit 2 ;;
    esac
done
[ -n "$groups" ] || groups=' build'

if [ $list = yes ]; then
    for group in $groups; do
        needs | while IFS='|' read -r of package _ urgency why; do
            [ "$of" != "$group" ] || printf '%-20s %-9s %s\n' "$(package_name "$package")" "$urgency" "$why"
        done
    done | sort -u
    exit 0
fi

lacking=$(missing)
[ -n "$lacking" ] || exit 0

can_install=no
if command -v apt-get >/dev/null 2>&1; then
    if [ "$(id -u)" = 0 ] || command -v sudo >/dev/null 2>&1; then
        can_install=yes
    fi
fi

if [ $can_install = yes ]; then
    log=$(mktemp)
    trap 'rm -f "$log"' EXIT
    echo "$lacking" | while IFS='|' read -r _ package _ _ why; do
        say "installing $(package_name "$package"): $why"
    done
    # shellcheck disable=SC2046 # one word a package
    if ! install_packages $(names_of "$lacking"); then
        say 'again, with fresh package lists'
        as_root apt-get update >>"$log" 2>&1 </dev/null
        # The name of clang's run-time package is known for sure only now.
        # shellcheck disable=SC2046
        if ! install_packages $(names_of "$lacking"); then
            required=$(missing required)
            # shellcheck disable=SC2046
            [ -z "$required" ] || install_packages $(names_of "$required")
            for package in $(names_of "$(missing optional)"); do
                install_packages "$package"
            done
        fi
    fi
fi

missing optional | while IFS='|' read -r _ package _ _ why; do
    say "without $(package_name "$package"): $why"
done
required=$(missing required)
if [ -n "$required" ]; then
    [ $can_install = no ] || tail -n 15 "$log" >&2
    {
        if [ $can_install = yes ]; then
            say 'these could not be installed:'
        else
            say 'this is no Debian system, or I may not install packages here. Please install (names as in Debian):'
        fi
        echo "$required" | while IFS='|' read -r _ package _ _ why; do
            printf '    %-20s %s\n' "$(package_name "$package")" "$why"
        done
    } >&2
    exit 1
fi
exit 0

#!/bin/sh
# tests/platform/aarch64.sh SOURCE_ROOT - builds the smoke of this room for aarch64 and runs it in an emulator.
# Ends with 77, which Meson shows as skipped, where the cross compiler or the emulator is missing.
set -eu
root=$1
compiler=aarch64-linux-gnu-gcc
emulator=$(command -v qemu-aarch64 || command -v qemu-aarch64-static || true)
command -v $compiler >/dev/null && [ -n "$emulator" ] || { echo "no $compiler or no qemu-aarch64"; exit 77; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

for variant in assembly ucontext; do
    case $variant in
    assembly) context="$root/src/platform/context.c $root/src/platform/context_aarch64.S" ;;
    ucontext) context="$root/src/platform/context_ucontext.c" ;;
    esac
    platform=$(find "$root/src/platform" -name '*.c' ! -name 'context*')
    # shellcheck disable=SC2086 # lists of files
    $compiler -std=gnu17 -D_GNU_SOURCE -O2 -Wall -Wextra -Werror -static -pthread \
        -fstack-clash-protection -mbranch-protection=bti -funwind-tables \
        -I"$root/src" -I"$root/include" -o "$folder/$variant" \
        "$root/tests/platform/smoke_other_machine.c" $platform $context \
        "$root"/src/base/*.c -lm
    echo "$variant:"
    "$emulator" "$folder/$variant"
done

#!/bin/sh
# check.sh MODEL [DEFINE] - runs a model through all its interleavings. With DEFINE (a seeded bug) an error must be found, else none may.
command -v spin > /dev/null || exit 77
model=$1 define=$2
folder=$(mktemp -d) || exit 99
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 99
spin ${define:+"-D$define"} -a "$model" > log 2>&1 && ${CC:-cc} -O2 -DSAFETY -DNFAIR=1 -w -o pan pan.c >> log 2>&1 || { cat log; exit 99; }
./pan -m1000000 > log 2>&1
grep -E 'errors:|states, stored$|assertion|invalid end|max search' log
case $(grep -o 'errors: [0-9]*' log) in
'errors: 0') found=0 ;;
'') exit 99 ;;
*) found=1 ;;
esac
grep -q 'max search depth too small' log && exit 99
if [ -n "$define" ]; then test $found = 1; else test $found = 0; fi

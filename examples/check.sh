#!/bin/sh
# check.sh - runs an example and compares what it prints with the comment at its end.
#
#   check.sh PROGRAM SOURCE [ARGUMENT]...
#
# In the comment a line of three dots stands for any lines. When there is a file SOURCE without `.c` and with `.txt`, the output
# must be exactly that as well. What goes to stderr (reports of crashes) is not compared. CHECK_INSTEAD, when set, is
# expected in place of the comment: for arguments that give another result.
set -eu
program=$1
source=$2
shift 2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

if [ -n "${CHECK_INSTEAD:-}" ]; then
    printf '%s\n' "$CHECK_INSTEAD" >"$folder/expected"
else
    awk '/^\/\* Prints: .* \*\/$/ { sub(/^.* Prints: /, ""); sub(/ \*\/$/, ""); print; exit }
         /^\/\* Prints/ { inside = 1; next }
         inside && /^ \*\// { exit }
         inside { sub(/^ [*]/, ""); sub(/^   /, ""); print }' "$source" >"$folder/expected"
fi
[ -s "$folder/expected" ] || { echo "$source does not say what it prints"; exit 1; }

status=0
"$program" "$@" >"$folder/printed" || status=$?
[ "$status" = 0 ] || { cat "$folder/printed"; echo "$program ended with $status"; exit 1; }

# Each line of the comment in turn; after three dots the first printed line that is the next one of the comment.
awk 'NR == FNR { expected[++count] = $0; next }
     BEGIN { at = 1 }
     expected[at] == "..." { skips = 1; at++ }
     $0 == expected[at] { skips = 0; at++; next }
     skips { next }
     { printf "line %d is \"%s\" instead of \"%s\"\n", FNR, $0, expected[at]; failed = 1; exit }
     END {
         if (!failed && at <= count) { printf "\"%s\" was not printed\n", expected[at]; failed = 1 }
         exit failed
     }' "$folder/expected" "$folder/printed"

whole=${source%.c}.txt
[ ! -f "$whole" ] || diff -u "$whole" "$folder/printed"

#!/bin/sh
# scripts/bench.sh - measures Engset beside Erlang, Go and the machine's own floor, in one run.
#
#   scripts/bench.sh [--quick] [--only NAME]...
#
#   --quick       a twentieth of the operations: shows that everything works, not how fast it is
#   --only NAME   this benchmark alone; may be given again (names: bench/README.md). 'server_*' is all whose
#                 names begin so; those on demand run only when they are named
#   ES_BENCH_REPEAT=5    repetitions; each one is a new OS process, the table shows the medians
#   ES_BENCH_TIMEOUT=600 seconds after which a program is ended and counts as failed
#
# What is asked of each benchmark stands in bench/goals.tsv; the last column says whether it was reached.
#
# The release build goes to build/release, the table also to build/bench.md, everything measured to
# build/bench.json. Needs a POSIX shell, awk, taskset and timeout. A peer that is not installed and
# cannot be is left out. The exit status is 1 when a program failed or was missing where it should be.
set -euf # no name of a benchmark is one of a file
cd "$(dirname "$0")/.."
export LC_ALL=C

release=build/release
peers=build/peers
log=build/bench.log
raw=build/bench.raw
repeat=${ES_BENCH_REPEAT:-5}
limit_s=${ES_BENCH_TIMEOUT:-600}
command="scripts/bench.sh${*:+ $*}"
[ "$repeat" = 5 ] || command="ES_BENCH_REPEAT=$repeat $command"
quick=
only=

say() { printf 'bench: %s\n' "$*" >&2; }
die() { say "$*"; exit 2; }

while [ $# -gt 0 ]; do
    case $1 in
    --quick) quick=--quick ;;
    --only)
        [ $# -ge 2 ] || die '--only needs a name'
        only="$only $2"
        shift ;;
    *) die "unknown argument $1; known: --quick, --only NAME" ;;
    esac
    shift
done
case $repeat in '' | *[!0-9]* | 0) die "ES_BENCH_REPEAT is a number above 0, not '$repeat'" ;; esac
for tool in taskset timeout awk; do
    command -v $tool >/dev/null 2>&1 || die "$tool is missing"
done

# --- what is here ---

# The first two cores that this OS process may use; taskset takes their numbers.
cores=$(awk '/^Cpus_allowed_list:/ {
    n = split($2, part, ",")
    for (i = 1; i <= n && found < 2; i++) {
        if (split(part[i], range, "-") == 1) range[2] = range[1]
        for (cpu = range[1]; cpu <= range[2] && found < 2; cpu++)
            printf "%s%d", (found++ ? "," : ""), cpu
    }
}' /proc/self/status)
first_core=${cores%,*}
case $cores in
*,*) core_counts='1 2' ;;
*) core_counts=1; say 'only one core may be used here: the columns for two stay empty' ;;
esac

mkdir -p "$peers"
: >"$log"
: >"$raw"

if ! command -v erl >/dev/null 2>&1 || ! command -v erlc >/dev/null 2>&1 || ! command -v go >/dev/null 2>&1; then
    [ ! -x scripts/setup.sh ] || scripts/setup.sh bench >&2 || say 'scripts/setup.sh could not install all'
fi

build_release() {
    [ -f $release/build.ninja ] ||
        meson setup $release --buildtype=release -Db_ndebug=false -Dtests=disabled
    meson configure $release -Dbuildtype=release -Db_ndebug=false
    ninja -C $release build.ninja # an older folder may not know the targets of today
    # Only what is measured: the rest of the project has its own builds.
    targets='bench/floor bench/echo-load'
    if ninja -C $release -t targets all | grep -q '^bench/engset-bench:'; then
        targets="$targets bench/engset-bench"
    fi
    # shellcheck disable=SC2086 # one word a target
    ninja -C $release $targets
}

# Runs a step with its output in the log; shows the end of that when it fails.
step() {
    what=$1
    shift
    say "$what"
    if ! "$@" >>"$log" 2>&1; then
        tail -n 20 "$log" >&2
        return 1
    fi
}

floor=$release/bench/floor
engset=$release/bench/engset-bench
erlang=bench/peers/erlang/run.sh
go=$peers/go-peers
failures=0

ES_BENCH_OUT=$PWD/$peers
ES_BENCH_ECHO_LOAD=$PWD/$release/bench/echo-load
export ES_BENCH_OUT ES_BENCH_ECHO_LOAD
# The benchmark `echo` has 1,000 connections; whether the limit may be raised shows in the run.
# shellcheck disable=SC3045 # dash and bash have it; another shell leaves the limit as it is
[ "$(ulimit -n)" = unlimited ] || [ "$(ulimit -n)" -ge 4096 ] || ulimit -n 4096 2>/dev/null || :
step 'building for release' build_release || die 'the release build failed'
mkdir -p build/bench # the programs by short names
ln -sf ../release/bench/engset-bench ../release/bench/floor build/bench/
if [ ! -x $engset ]; then
    engset=
    say 'there is no engset-bench yet: its columns stay empty'
fi
if ! command -v erlc >/dev/null 2>&1 || ! command -v erl >/dev/null 2>&1; then
    erlang=
    say 'without Erlang: its columns stay empty'
elif ! step 'compiling the Erlang peer' $erlang --build; then
    erlang=
    failures=1
fi
if ! command -v go >/dev/null 2>&1; then
    go=
    say 'without Go: its columns stay empty'
elif ! step 'compiling the Go peer' env GO111MODULE=off GOFLAGS= GOTOOLCHAIN=local \
    GOCACHE="${GOCACHE:-${HOME:+$HOME/.cache/go-build}}" go build -o $go bench/peers/go/peers.go; then
    go=
    failures=1
fi

# --- the plan: what is run in each repetition ---

# A runner is impl:cores:style. They take turns within a benchmark, so that whatever else goes on in
# the machine hits all of them alike.
runners=
for n in $core_counts; do
    [ -z "$engset" ] || runners="$runners engset:$n:direct"
    [ -z "$engset" ] || [ "$n" != 1 ] || runners="$runners engset:$n:react"
    [ -z "$erlang" ] || runners="$runners erlang:$n:-"
    [ -z "$go" ] || runners="$runners go:$n:-"
    runners="$runners floor:$n:-"
done

program_of() {
    case $1 in
    engset) echo "$engset" ;;
    erlang) echo "$erlang" ;;
    go) echo "$go" ;;
    floor) echo "$floor" ;;
    esac
}

# Lines "impl:cores:style bench" for every benchmark that a runner has.
plan=$(for runner in $runners; do
    program=$(program_of "${runner%%:*}")
    case $runner in
    floor:1:*) "$program" --list --cores 1 ;;
    floor:2:*) "$program" --list --cores 2 ;;
    *) "$program" --list ;;
    esac 2>>"$log" | sed "s/^/$runner /"
done)
# What Engset runs on demand only, if it is named.
on_demand=$([ -z "$engset" ] || "$engset" --list-more 2>>"$log")
for bench in $only; do
    if echo "$on_demand" | grep -qxF -- "$bench"; then
        for runner in $runners; do
            case $runner in engset:*) plan=$(printf '%s\n%s %s' "$plan" "$runner" "$bench") ;; esac
        done
    fi
done

for runner in $runners; do
    if ! echo "$plan" | grep -q "^$runner "; then
        say "the program behind $runner lists no benchmark (see $log)"
        failures=$((failures + 1))
    fi
done

# Every benchmark once, in the order in which the lists bring them, the floor's last.
all=$(echo "$plan" | awk '{ floor = $1 ~ /^floor/ } !seen[$2]++ { if (floor) last = last $2 "\n"; else print $2 }
    END { printf "%s", last }')
if [ -n "$only" ]; then
    named=
    for pattern in $only; do
        # shellcheck disable=SC2254 # it is a pattern
        found=$(for each in $all; do case $each in ($pattern) echo "$each" ;; esac done)
        [ -n "$found" ] || die "no benchmark '$pattern'; there are: $(echo "$all" | tr '\n' ' ')"
        named="$named $found"
    done
    all=$named
fi

# --- the runs ---

# Uses impl, n, style and bench of the run.
run_failed() {
    why=$1 status=$2
    shift 2
    say "$*: $why (see $log)"
    echo "$*: $why" >>"$log"
    echo "failed $impl $n $style $bench $status" >>"$raw"
    failures=$((failures + 1))
}

run_one() {
    IFS=: read -r impl n style <<END
$1
END
    pin=$first_core
    [ "$n" = 1 ] || pin=$cores
    # shellcheck disable=SC2046 # the style is two words or none
    set -- "$(program_of "$impl")" --json --only "$2" --cores "$n" $quick \
        $([ "$style" = - ] || echo "--style $style")
    # With one core for the server of `echo`, its clients get the other one.
    away=
    if [ "$n" = 1 ] && [ "$cores" != "$first_core" ]; then away=ES_BENCH_LOAD_CORE=${cores#*,}; fi
    # shellcheck disable=SC2086 # one word or none
    lines=$(env $away timeout -k 5 "$limit_s" taskset -c "$pin" "$@" 2>>"$log") || {
        status=$?
        run_failed "failed with status $status" $status "$@"
        return 0
    }
    found=$(echo "$lines" | awk -v head="$impl $n $style $bench" '/^\{"bench":/ { print "line", head, $0 }')
    if [ -n "$found" ]; then
        echo "$found" >>"$raw"
    elif [ "$impl" != engset ]; then
        run_failed 'printed no figure' 0 "$@"
    elif [ "$style" = direct ] && ! echo "$on_demand" | grep -qx -- "$bench"; then
        run_failed 'printed no figure' 0 "$@"
    fi # else: what has no such style says nothing, and that is no failure
}

load_of() { cut -d' ' -f1 /proc/loadavg; }

date=$(date -u +%Y-%m-%dT%H:%M:%SZ)
load_before=$(load_of)
round=1
while [ "$round" -le "$repeat" ]; do
    for bench in $all; do
        say "repetition $round of $repeat: $bench"
        turn=$(echo "$plan" | awk -v bench="$bench" '$2 == bench { print $1 }')
        # Every other repetition goes backwards: nobody always runs after the same one.
        [ $((round % 2)) = 1 ] || turn=$(echo "$turn" | awk '{ l[NR] = $0 } END { for (i = NR; i; i--) print l[i] }')
        for runner in $turn; do
            run_one "$runner" "$bench"
        done
    done
    round=$((round + 1))
done

# --- the table ---

model=$(awk -F': *' '/^(model name|CPU part)/ { print $2; exit }' /proc/cpuinfo)
memory=$(awk '/^MemTotal/ { printf "%.0f GiB", $2 / 1048576 }' /proc/meminfo)
system=$(sed -n 's/^PRETTY_NAME="\(.*\)"$/\1/p' /etc/os-release 2>/dev/null) || :
commit=$(git rev-parse --short HEAD 2>/dev/null || echo unknown)
[ -z "$(git --no-optional-locks status --porcelain --untracked-files=no 2>/dev/null)" ] || commit="$commit, changed"

awk -v benches="$(echo "$all" | tr '\n' ' ')" -v repeat="$repeat" -v quick="${quick:+true}" -v command="$command" \
    -v date="$date" -v model="${model:-$(uname -m)}" -v core_count="$(nproc --all 2>/dev/null || nproc)" -v used="$cores" \
    -v memory="$memory" -v system_name="${system:-unknown}" -v kernel="$(uname -sr)" -v arch="$(uname -m)" \
    -v compiler="$(${CC:-cc} --version 2>/dev/null | head -n 1)" -v commit="$commit" \
    -v load="$load_before" -v load_after="$(load_of)" -v json=build/bench.json -v markdown=build/bench.md \
    -v goal_file=bench/goals.tsv '
BEGIN {
    CONVFMT = "%.10g"
    unit_count = split("ns_per_op bytes cores_used per_second", units, " ")
    called["bytes"] = ", bytes"; called["cores_used"] = ", of a core"; called["per_second"] = ", a second"
}

# The value of a field of one flat JSON object; "" if it has none.
function field(line, name,    at, rest) {
    at = index(line, "\"" name "\":")
    if (!at)
        return ""
    rest = substr(line, at + length(name) + 3)
    sub(/^[ \t]*/, "", rest)
    if (substr(rest, 1, 1) == "\"") {
        rest = substr(rest, 2)
        return substr(rest, 1, index(rest, "\"") - 1)
    }
    match(rest, /^[-+0-9.eE]+/)
    return RLENGTH > 0 ? substr(rest, 1, RLENGTH) : ""
}

$1 == "line" {
    line = $0
    impl = field(line, "impl"); bench = field(line, "bench")
    n = field(line, "cores"); style = field(line, "style")
    value = ""
    for (i = 1; i <= unit_count && value == ""; i++) {
        unit = units[i]
        value = field(line, unit)
    }
    if (value == "" || impl != $2 || n != $3) {
        print "bench: not understood: " line > "/dev/stderr"
        bad++
        next
    }
    if (impl == "engset" && style == "")
        style = $4
    key = bench "|" impl "|" n "|" style
    if (!(key in runs))
        keys[++key_count] = key
    run[key, ++runs[key]] = value + 0
    unit_of[bench] = unit
    if (bench != $5 && !(bench in row_after)) # a run may have a second figure: a row of its own behind the first
        row_after[bench] = $5
    if (field(line, "version") != "")
        version[impl] = field(line, "version")
}
$1 == "failed" {
    failed[++failed_count] = sprintf("{\"impl\":%s,\"cores\":%d,\"style\":%s,\"bench\":%s,\"status\":%d}",
        quoted($2), $3, quoted($4 == "-" ? "" : $4), quoted($5), $6)
}

function quoted(text) {
    gsub(/\\/, "\\\\", text); gsub(/"/, "\\\"", text); gsub(/[\001-\037]/, " ", text)
    return "\"" text "\""
}

function sort_runs(key,    i, j, v) {
    for (i = 2; i <= runs[key]; i++) {
        v = run[key, i]
        for (j = i - 1; j >= 1 && run[key, j] > v; j--)
            run[key, j + 1] = run[key, j]
        run[key, j + 1] = v
    }
}

function summarize(key,    n) {
    n = runs[key]
    for (i = 1; i <= n; i++)
        in_order[key] = in_order[key] (i > 1 ? "," : "") run[key, i]
    sort_runs(key)
    low[key] = run[key, 1]
    high[key] = run[key, n]
    median[key] = n % 2 ? run[key, (n + 1) / 2] : (run[key, n / 2] + run[key, n / 2 + 1]) / 2
}

# 1234567 as 1,234,567; below 100 with one digit behind the point, below 0.1 with five.
function pretty(v,    text, out) {
    if (v > 0 && v < 0.1)
        return sprintf("%.5f", v)
    if (v < 99.95)
        return sprintf("%.1f", v)
    text = sprintf("%.0f", v)
    while (length(text) > 3) {
        out = "," substr(text, length(text) - 2) out
        text = substr(text, 1, length(text) - 3)
    }
    return text out
}

function cell(bench, who,    key) {
    key = bench "|" who
    if (!(key in median))
        return "-"
    return (high[key] > 1.5 * low[key] ? "~" : "") pretty(median[key])
}

function ratio_on(bench, n, peer,    ours, theirs) {
    ours = bench "|engset|" n "|direct"
    theirs = bench "|" peer "|" n "|"
    if (!(ours in median) || !(theirs in median) || median[ours] <= 0)
        return "-"
    return sprintf("%.2f", median[theirs] / median[ours])
}

function ratio(bench, peer) {
    return ratio_on(bench, 1, peer) " / " ratio_on(bench, 2, peer)
}

# What a goal compares with: a peer, ourselves on one core, another benchmark of ours, or a figure. 0: not measured.
function other_side(bench, style, n, versus,    key) {
    if (versus + 0 > 0)
        return versus + 0
    if (versus == "one_core")
        key = bench "|engset|1|" style
    else if (versus == "erlang" || versus == "go")
        key = bench "|" versus "|" n "|"
    else
        key = versus "|engset|" n "|" style
    return key in median ? median[key] : 0
}

# Reads the goals: a line each, with tabs, `#` begins a remark. Fills goal_text[bench] and counts.
function judge(    line, part, key, theirs, reached, verdict, who, before) {
    while ((getline line < goal_file) > 0) {
        if (line ~ /^(#|bench\t|$)/)
            continue
        split(line, part, "\t")
        if (!(part[1] in is_row))
            continue
        key = part[1] "|engset|" part[3] "|" part[2]
        theirs = other_side(part[1], part[2], part[3], part[4])
        who = part[4] + 0 > 0 ? "at most " pretty(part[4]) : part[4] " " part[5]
        if (part[4] == "one_core")
            who = "one core " part[5]
        if (part[2] == "react")
            who = "react " who
        if (part[3] != 1)
            who = part[3] " cores: " who
        reached = 0
        if (!(key in median) || theirs == 0 || median[key] <= 0)
            verdict = "not measured"
        else {
            reached = theirs / median[key]
            verdict = reached >= part[5] ? "met" : "short"
        }
        verdicts[verdict]++
        before = part[1] in goal_text ? goal_text[part[1]] "; " : ""
        goal_text[part[1]] = before who \
            (verdict == "not measured" ? ": -" : sprintf(": %.2f %s", reached, verdict))
        goals[++goal_count] = sprintf("{\"bench\":%s,\"style\":%s,\"cores\":%d,\"versus\":%s,\"at_least\":%s,\"reached\":%.4f,\"verdict\":%s}",
            quoted(part[1]), quoted(part[2]), part[3], quoted(part[4]), part[5], reached, quoted(verdict))
    }
}

function floor_cell(bench) {
    return cell(bench, ((bench "|floor|1|") in median) ? "floor|1|" : "floor|2|")
}

function put(text) {
    print text
    print text > markdown
}

function row(r,    c, text) {
    text = "|"
    for (c = 1; c <= columns; c++)
        text = text sprintf(c == 1 || c == columns ? " %-" width[c] "s |" : " %" width[c] "s |", table[r, c])
    put(text)
}

END {
    for (k = 1; k <= key_count; k++)
        summarize(keys[k])

    columns = split("benchmark|engset 1|engset 2|react 1|erlang 1|erlang 2|go 1|go 2|erlang:engset 1 / 2|go:engset 1 / 2|floor|at least", heading, "|")
    for (c = 1; c <= columns; c++)
        table[0, c] = heading[c]
    asked_count = split(benches, asked_at, " ")
    for (r = 1; r <= asked_count; r++) {
        bench_at[++bench_count] = asked_at[r]
        for (b in row_after)
            if (row_after[b] == asked_at[r])
                bench_at[++bench_count] = b
    }
    for (r = 1; r <= bench_count; r++)
        is_row[bench_at[r]] = 1
    judge()
    for (r = 1; r <= bench_count; r++) {
        b = bench_at[r]
        table[r, 1] = b called[unit_of[b]]
        table[r, 2] = cell(b, "engset|1|direct")
        table[r, 3] = cell(b, "engset|2|direct")
        table[r, 4] = cell(b, "engset|1|react")
        table[r, 5] = cell(b, "erlang|1|")
        table[r, 6] = cell(b, "erlang|2|")
        table[r, 7] = cell(b, "go|1|")
        table[r, 8] = cell(b, "go|2|")
        table[r, 9] = ratio(b, "erlang")
        table[r, 10] = ratio(b, "go")
        table[r, 11] = floor_cell(b)
        table[r, 12] = b in goal_text ? goal_text[b] : ""
    }
    for (r = 0; r <= bench_count; r++)
        for (c = 1; c <= columns; c++)
            if (length(table[r, c]) > width[c])
                width[c] = length(table[r, c])

    kinds = split("engset erlang go floor", kind, " ")
    versions = ""
    for (i = 1; i <= kinds; i++)
        if (kind[i] in version)
            versions = versions (versions == "" ? "" : "; ") kind[i] ": " version[kind[i]]

    print "# Benchmarks\n" > markdown
    put("- command: `" command "`, " date ", commit " commit)
    put("- machine: " model ", " arch ", " core_count " cores (used: " used "), " memory ", " system_name ", " kernel \
        "; load " load " before, " load_after " after")
    put("- versions: " versions "; compiler: " compiler)
    put("")
    row(0)
    rule = "|"
    for (c = 1; c <= columns; c++) {
        dashes = sprintf("%" (width[c] + (c == 1 || c == columns ? 2 : 1)) "s", "")
        gsub(/ /, "-", dashes)
        rule = rule dashes (c == 1 || c == columns ? "|" : ":|")
    }
    put(rule)
    for (r = 1; r <= bench_count; r++)
        row(r)
    put("")
    put("Nanoseconds an operation, or what the name says: the median of " repeat (repeat == 1 ? " run" : " runs") \
        ", each a new OS process. 1 and 2 are cores.")
    put("~ marks where the slowest run took more than 1.5 times the fastest. A ratio is their figure divided by ours:")
    put("above 1.00 Engset is faster or smaller. What each row counts: bench/README.md.")
    put(sprintf("At least: the ratio that bench/goals.tsv asks for, and what was reached: %d met, %d short, %d not measured.",
        verdicts["met"], verdicts["short"], verdicts["not measured"]))
    if (quick)
        put("QUICK: a twentieth of the operations. These figures show that everything runs, not how fast.")
    if (failed_count + bad)
        put("INCOMPLETE: " (failed_count + bad) " runs failed; see build/bench.log.")

    printf "{\n \"command\":%s,\n \"date\":%s,\n \"commit\":%s,\n \"repeat\":%d,\n \"quick\":%s,\n", quoted(command),
        quoted(date), quoted(commit), repeat, (quick ? "true" : "false") > json
    printf " \"machine\":{\"model\":%s,\"arch\":%s,\"cores\":%d,\"used\":%s,\"memory\":%s,\"system\":%s,\"kernel\":%s," \
        "\"load_before\":%.2f,\"load_after\":%.2f},\n", quoted(model), quoted(arch), core_count, quoted(used),
        quoted(memory), quoted(system_name), quoted(kernel), load, load_after > json
    printf " \"versions\":{\"compiler\":%s", quoted(compiler) > json
    for (i = 1; i <= kinds; i++)
        if (kind[i] in version)
            printf ",%s:%s", quoted(kind[i]), quoted(version[kind[i]]) > json
    printf "},\n \"failures\":[" > json
    for (i = 1; i <= failed_count; i++)
        printf "%s%s", (i > 1 ? "," : ""), failed[i] > json
    printf "],\n \"goals\":[" > json
    for (i = 1; i <= goal_count; i++)
        printf "%s\n  %s", (i > 1 ? "," : ""), goals[i] > json
    printf "],\n \"results\":[" > json
    for (k = 1; k <= key_count; k++) {
        key = keys[k]
        split(key, part, "|")
        printf "%s\n  {\"bench\":%s,\"impl\":%s,\"cores\":%d,\"style\":%s,\"unit\":%s,\"median\":%s,\"min\":%s,\"max\":%s,\"runs\":[%s]}",
            (k > 1 ? "," : ""), quoted(part[1]), quoted(part[2]), part[3], quoted(part[4]), quoted(unit_of[part[1]]),
            median[key], low[key], high[key], in_order[key] > json
    }
    print "\n ]\n}" > json
    exit bad > 0
}' "$raw" || failures=$((failures + 1))

say "written: build/bench.md build/bench.json"
[ "$failures" = 0 ] || { say "$failures failed"; exit 1; }

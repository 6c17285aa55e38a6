#!/bin/sh
# run.sh SECONDS BUILD_DIR [JOBS] - each fuzzer for so long over its seeds and dictionary, JOBS at a
# time (default: one). Build first:
#   CC=clang cmake -S . -B BUILD_DIR -G Ninja -DPOOLD_FUZZ=ON -DPOOLD_SANITIZE=ON
# What is found along the way is kept in BUILD_DIR/corpus, an input that breaks something in
# BUILD_DIR/crash-*.
set -eu

# one NAME:SEEDS: runs that fuzzer; its own log is shown when it fails.
one() {
    name=${1%:*} seeds=tests/data/${1#*:} log=$build/fuzz_${1%:*}.log status=0
    mkdir -p "$build/corpus/$name"
    "$build/tests/fuzz/fuzz_$name" -max_total_time="$seconds" -max_len=8192 -timeout=10 \
        -dict="tests/fuzz/$name.dict" -artifact_prefix="$build/crash-$name-" -print_final_stats=1 \
        "$build/corpus/$name" "$seeds" >"$log" 2>&1 || status=1
    [ "$status" -eq 0 ] || tail -n 40 "$log"
    echo "fuzz_$name: $seconds s, $(grep 'number_of_executed_units' "$log" || echo no end)"
    return "$status"
}

if [ "${1:-}" = --one ]; then
    seconds=$2 build=$3
    one "$4"
    exit
fi
[ $# -eq 2 ] || [ $# -eq 3 ] || { sed -n '2,6s/^# \{0,1\}//p' "$0" >&2; exit 2; }
seconds=$1 jobs=${3:-1}
build=$(cd "$2" && pwd)
cd "$(dirname "$0")/../.."
printf '%s\n' http_head:http1 http_chunked:http1 sse:sse jsonrpc:jsonrpc session_id:session_id \
    event_id:event_id sse_filter:sse rewrite:rewrite modern:modern |
    xargs -n 1 -P "$jobs" tests/fuzz/run.sh --one "$seconds" "$build"

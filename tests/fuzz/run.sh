#!/bin/sh
# run.sh SECONDS BUILD_DIR - each fuzzer for so long over its seeds and dictionary. Build first:
#   CC=clang cmake -S . -B BUILD_DIR -G Ninja -DPOOLD_FUZZ=ON -DPOOLD_SANITIZE=ON
# What is found along the way is kept in BUILD_DIR/corpus, an input that breaks something in
# BUILD_DIR/crash-*.
set -eu
[ $# -eq 2 ] || { sed -n '2,5s/^# \{0,1\}//p' "$0" >&2; exit 2; }
seconds=$1
build=$(cd "$2" && pwd)
cd "$(dirname "$0")/../.."
status=0
for target in http_head:http1 http_chunked:http1 sse:sse jsonrpc:jsonrpc; do
    name=${target%:*} seeds=tests/data/${target#*:}
    mkdir -p "$build/corpus/$name"
    echo "fuzz_$name: $seconds s"
    if ! "$build/tests/fuzz/fuzz_$name" -max_total_time="$seconds" -max_len=8192 -timeout=10 \
        -dict="tests/fuzz/$name.dict" -artifact_prefix="$build/crash-$name-" -print_final_stats=1 \
        "$build/corpus/$name" "$seeds" >"$build/fuzz_$name.log" 2>&1; then
        tail -n 40 "$build/fuzz_$name.log"
        status=1
    fi
    grep -E 'number_of_executed_units|DONE' "$build/fuzz_$name.log" || true
done
exit $status

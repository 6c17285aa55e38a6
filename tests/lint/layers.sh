#!/bin/sh
# Every #include "folder/file.h" must be allowed by the table in tests/lint/layers,
# and each outside library is included only by the folders that own it.
cd "$(dirname "$0")/../.." || exit 2
status=0
while IFS=: read -r folder allowed; do
    case $folder in '#'*|'') continue ;; esac
    for file in "$folder"/*.[ch]; do
        [ -e "$file" ] || continue
        for target in $(sed -n 's/^#include "\([^"]*\)".*/\1/p' "$file"); do
            ok=no
            for may in $folder $allowed; do
                case $target in "$may"|"$may"/*) ok=yes ;; esac
            done
            [ $ok = yes ] || { echo "$file: $folder may not include $target"; status=1; }
        done
    done
done < tests/lint/layers
only() { # header-regex folders...
    header=$1; shift
    for file in $(grep -lE "^#include <$header>" ./*.c ./*/*.[ch] 2>/dev/null | grep -v '^./tests/'); do
        folder=$(basename "$(dirname "$file")"); ok=no
        for may in "$@"; do [ "$folder" = "$may" ] && ok=yes; done
        [ $ok = yes ] || { echo "$file: <$header> belongs to: $*"; status=1; }
    done
}
only 'sqlite3\.h' registry
only 'microhttpd\.h' api
only 'nettle/.*' base
only 'jansson\.h' mcp config api cli
only 'ev\.h' pool front api .
only '(llhttp|http_parser)\.h' mcp
exit $status

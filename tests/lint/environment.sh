#!/bin/sh
# Every variable that a program of ours reads stands in the table of config/options.c, which the
# manual is printed from; and no variable stands there that nobody reads.
cd "$(dirname "$0")/../.." || exit 2
status=0
sources=$(ls ./*.c base/*.c platform/*.c mcp/*.c config/*.c registry/*.c keeper/*.c pool/*.c \
    connect/*.c front/*.c api/*.c cli/*.c | grep -v '^config/options\.c$')
table=$(sed -n '/variable_row read_rows/,/^};/s/^    {"\([A-Z_]*\)".*/\1/p' config/options.c)
[ -n "$table" ] || { echo "config/options.c: no table is found"; exit 1; }
# shellcheck disable=SC2086  # words
for name in $(grep -ohE 'getenv\("[A-Z_]+"\)' $sources | sed 's/.*"\(.*\)".*/\1/' | sort -u); do
    echo "$table" | grep -qx "$name" || { echo "config/options.c lacks $name"; status=1; }
done
for name in $table; do
    # shellcheck disable=SC2086  # words
    grep -qF "\"$name\"" $sources || { echo "config/options.c: nobody reads $name"; status=1; }
done
exit $status

#!/bin/sh
# The manual pages are sound: mandoc, where it is installed, has nothing to say about them.
cd "$(dirname "$0")/../.." || exit 2
command -v mandoc >/dev/null || { echo "no mandoc: the pages stay unchecked"; exit 0; }
for page in docs/man/*; do
    said=$(mandoc -T lint -W style "$page" 2>&1)
    [ -z "$said" ] || { echo "$said"; status=1; }
    mandoc "$page" >/dev/null || status=1
done
exit "${status:-0}"

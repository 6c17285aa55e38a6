# Shared by ./quickstart, ./runtests and the pieces in this folder: source it, it only defines.
# Bash 3.2 is enough (macOS has no newer one).

install_dir="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
repo_dir="$(cd "$install_dir/../.." && pwd)"

say() { printf '==> %s\n' "$*"; }
warn() { printf 'warning: %s\n' "$*" >&2; }
die() {
    printf '%s: %s\n' "$(basename "$0")" "$1" >&2
    shift
    for line in "$@"; do printf '    %s\n' "$line" >&2; done
    exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# A chroot or a cron job may come without HOME; everything of a user lies below it.
if [ -z "${HOME:-}" ]; then
    HOME="$(getent passwd "$(id -u)" 2>/dev/null | cut -d: -f6)"
    [ -n "$HOME" ] || HOME=/root
    export HOME
fi

data_dir="${XDG_DATA_HOME:-$HOME/.local/share}"
cache_dir="${XDG_CACHE_HOME:-$HOME/.cache}"
serena_dir="${POOLD_SERENA_DIR:-$data_dir/poold/serena}"

# run_as_root COMMAND...: directly for root, else by sudo, else tell what to run.
run_as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif have sudo; then
        sudo -- "$@"
    else
        die "packages are missing, and this is neither root nor is sudo installed" \
            "run as root:" "$*" "and then this command again"
    fi
}

# quietly LOGFILE COMMAND...: shows the log's end only when the command fails.
quietly() {
    local log="$1"
    shift
    mkdir -p "$(dirname "$log")"
    if ! "$@" >"$log" 2>&1 </dev/null; then
        tail -n 40 "$log" >&2
        warn "failed: $* (all of its output: $log)"
        return 1
    fi
}

# checksum FILE...: one word that changes when any of the files does.
checksum() { cat "$@" | cksum | tr ' ' '-'; }

# stamped DIR WORD: is what DIR holds complete, and made from what WORD stands for?
stamped() { [ -f "$1/.stamp" ] && [ "$(cat "$1/.stamp")" = "$2" ]; }

python_works() {
    "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

# find_python: the first Python 3.11 or newer that can make a venv.
find_python() {
    local candidate
    for candidate in python3 /usr/bin/python3 python3.13 python3.12 python3.11 \
        /opt/homebrew/bin/python3 /usr/local/bin/python3; do
        if have "$candidate" && python_works "$candidate"; then
            echo "$candidate"
            return 0
        fi
    done
    return 1
}

# Distribution packages. install_packages build|tests installs what is missing and nothing else,
# so that a second run needs neither root nor a network. Debian and Ubuntu by apt-get, macOS by
# Homebrew (untried); elsewhere the names are shown and what is there is used.

apt_build="gcc libc6-dev cmake ninja-build pkg-config libev-dev libjansson-dev libmicrohttpd-dev
libsqlite3-dev nettle-dev clangd"
apt_tests="libcmocka-dev clang libclang-rt-dev bubblewrap socat strace sqlite3 git procps iproute2 systemd
mandoc"
brew_build="cmake ninja pkg-config libev jansson libmicrohttpd sqlite nettle llhttp python@3.13 llvm"
brew_tests="cmocka socat"

# missing_debs NAME...: those of them that are not installed.
missing_debs() {
    local name installed
    installed="$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' "$@" 2>/dev/null)"
    for name in "$@"; do
        printf '%s\n' "$installed" | grep -q -x "installed $name" || printf '%s ' "$name"
    done
}

has_deb() { [ -z "$(missing_debs "$1")" ]; }

install_debs() {
    local missing
    # shellcheck disable=SC2086  # lists of words
    missing="$(missing_debs $1)"
    find_python >/dev/null || missing="$missing python3 python3-venv"
    has_deb libllhttp-dev || has_deb libhttp-parser-dev || missing="$missing http-parser"
    # shellcheck disable=SC2086
    set -- $missing
    [ $# -gt 0 ] || return 0
    say "packages: reading the lists (apt-get update)"
    quietly "$cache_dir/poold/apt.log" run_as_root apt-get -q -o DPkg::Lock::Timeout=300 update ||
        die "apt-get update failed" "is the network there?"
    # The parser library that Node.js itself uses where it is packaged, else its forerunner.
    if [ -n "$(apt-cache -q=2 show libllhttp-dev 2>/dev/null)" ]; then
        missing="${missing/ http-parser/ libllhttp-dev}"
    else
        missing="${missing/ http-parser/ libhttp-parser-dev}"
    fi
    # shellcheck disable=SC2086
    say "packages: installing" $missing
    # shellcheck disable=SC2086
    quietly "$cache_dir/poold/apt.log" run_as_root env DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 \
        apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 --no-install-recommends \
        install $missing || die "apt-get install failed"
}

install_brews() {
    local name missing=""
    have brew || die "Homebrew is needed on macOS (https://brew.sh)"
    say "macOS: this way is untried; please report what breaks"
    for name in $1; do
        brew list --formula "$name" >/dev/null 2>&1 || missing="$missing $name"
    done
    # shellcheck disable=SC2086
    [ -z "$missing" ] || brew install $missing || die "brew install$missing failed"
    xcode-select -p >/dev/null 2>&1 || die "the C compiler is missing" "run: xcode-select --install"
}

install_packages() {
    local debs="$apt_build" brews="$brew_build"
    if [ "$1" = tests ]; then
        debs="$debs $apt_tests"
        brews="$brews $brew_tests"
    fi
    if have apt-get && have dpkg-query; then
        install_debs "$debs"
    elif [ "$(uname -s)" = Darwin ]; then
        install_brews "$brews"
    else
        warn "unknown distribution: not installing packages. On Debian they are called:"
        warn "$debs libllhttp-dev (or libhttp-parser-dev) python3 python3-venv"
    fi
    find_python >/dev/null || die "Python 3.11 or newer with its venv module is needed"
}

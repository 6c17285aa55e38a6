# What only the tests need: a Python environment with pytest, the Python SDK 2 and stdio servers, one
# with the Python SDK 1, the TypeScript SDKs, Claude Code, Codex and more servers from npm, the
# conformance suites with a Node.js of their own, and llhttp where the distribution has none. All of
# it below $tests_dir, pinned, stamped.

tests_dir="${POOLD_TESTS_DIR:-$cache_dir/poold-tests}"

# find_node: a Node.js 20 or newer: the system's, else the one that came with Serena.
find_node() {
    if have node && node -e 'process.exit(+(parseInt(process.versions.node) < 20))' 2>/dev/null; then
        command -v node
    else
        serena_node
    fi
}

# install_test_venv NAME FILES: what FILES-requirements.txt and -constraints.txt pin, into $tests_dir/NAME.
install_test_venv() {
    local stamp dir="$tests_dir/$1" files="$install_dir/$2"
    stamp="$(checksum "$files"-{requirements,constraints}.txt)"
    stamped "$dir" "$stamp" && return 0
    say "tests: $(sed -n '1s/^# //p' "$files-requirements.txt") ($dir)"
    mkdir -p "$tests_dir"
    quietly "$dir.log" "$(find_python)" -m venv --clear "$dir" &&
        quietly "$tests_dir/pip-$1.log" "$dir/bin/python" -m pip install \
            --disable-pip-version-check --no-input -r "$files-requirements.txt" \
            -c "$files-constraints.txt" || die "installing the test tools by pip failed"
    printf '%s' "$stamp" >"$dir/.stamp"
}

# npm_ci NAME: what $install_dir/tests-NAME locks, into $tests_dir/NAME, without running its scripts.
npm_ci() {
    local dir="$tests_dir/$1" npm
    npm="$(dirname "$(serena_node)")/../lib/node_modules/npm/bin/npm-cli.js"
    mkdir -p "$dir"
    cp "$install_dir/tests-$1"/package*.json "$dir/"
    (cd "$dir" && quietly "$tests_dir/npm-$1.log" env PATH="$(dirname "$(serena_node)"):$PATH" \
        "$(serena_node)" "$npm" ci --no-audit --no-fund --ignore-scripts) ||
        die "installing the test tools by npm failed"
}

install_test_node() {
    local stamp dir="$tests_dir/node"
    stamp="$(checksum "$install_dir/tests-node/package-lock.json" "$install_dir/tests.sh")"
    stamped "$dir" "$stamp" && return 0
    say "tests: the TypeScript SDKs, Claude Code, Codex and stdio servers into $dir"
    npm_ci node
    # Its install script only puts the native binary in place; npm may be told to run no scripts.
    (cd "$dir" && quietly "$tests_dir/claude.log" "$(serena_node)" \
        node_modules/@anthropic-ai/claude-code/install.cjs) ||
        die "Claude Code's own install script failed"
    printf '%s' "$stamp" >"$dir/.stamp"
}

install_test_conformance() {
    local stamp dir="$tests_dir/conformance"
    stamp="$(checksum "$install_dir/tests-conformance/package-lock.json")"
    stamped "$dir" "$stamp" && return 0
    say "tests: the conformance suites and the Inspector into $dir"
    npm_ci conformance
    printf '%s' "$stamp" >"$dir/.stamp"
}

# install_llhttp: Debian 12 has no llhttp; its generated C source is part of PyPI's httptools.
install_llhttp() {
    local dir="$tests_dir/llhttp" source
    stamped "$dir" httptools-0.9.0 && return 0
    say "tests: llhttp (the source in httptools 0.9.0) into $dir"
    rm -rf "$dir"
    mkdir -p "$dir/include"
    quietly "$tests_dir/llhttp.log" "$tests_dir/venv/bin/python" -m pip download --no-deps \
        --disable-pip-version-check --no-input --no-binary :all: -d "$dir" httptools==0.9.0 || return 1
    tar -xzf "$dir"/httptools-0.9.0.tar.gz -C "$dir" || return 1
    source="$dir/httptools-0.9.0/vendor/llhttp"
    cp "$source/include/llhttp.h" "$dir/include/" &&
        (cd "$dir" && cc -O2 -c -I include "$source"/src/*.c && ar rcs libllhttp.a ./*.o) || return 1
    rm -rf "$dir"/httptools-0.9.0* "$dir"/*.o
    printf '%s' httptools-0.9.0 >"$dir/.stamp"
}

install_test_tools() {
    install_test_venv venv tests
    install_test_venv venv-mcp1 tests-mcp1
    install_test_node
    install_test_conformance
    POOLD_TEST_PYTHON="$tests_dir/venv/bin/python"
    POOLD_TEST_PYTHON_MCP1="$tests_dir/venv-mcp1/bin/python"
    POOLD_TEST_NODE="$(find_node)"
    POOLD_TEST_NODE_MODULES="$tests_dir/node/node_modules"
    POOLD_TEST_CLAUDE="$tests_dir/node/node_modules/.bin/claude"
    POOLD_TEST_CONFORMANCE="$tests_dir/conformance"
    export POOLD_TEST_PYTHON POOLD_TEST_PYTHON_MCP1 POOLD_TEST_NODE POOLD_TEST_NODE_MODULES POOLD_TEST_CLAUDE POOLD_TEST_CONFORMANCE
}

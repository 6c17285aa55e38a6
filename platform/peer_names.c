/* platform/peer_names.c - programs that carry other programs' connections. */
#include "platform/peer_parts.h"

#include "base/str.h"

#include <string.h>

/* Names as the kernel keeps them (15 bytes on Linux). Tunnels, reverse proxies, container helpers:
 * the client is behind them, in another directory, container or machine. */
static const struct {
    const char *name;
    bool is_prefix, bridges_stdio;
} forwarders[] = {
    {"socat", false, true},
    {"nc", false, true},
    {"nc.", true, true},
    {"ncat", false, true},
    {"netcat", false, true},
    {"ssh", false, false},
    {"sshd", true, false},
    {"autossh", false, false},
    {"dropbear", false, false},
    {"mosh-server", false, false},
    {"docker-proxy", false, false},
    {"com.docker", true, false},
    {"vpnkit", true, false},
    {"gvproxy", false, false},
    {"pasta", true, false},
    {"passt", true, false},
    {"slirp4netns", true, false},
    {"rootlessport", true, false},
    {"rootlesskit", true, false},
    {"limactl", false, false},
    {"colima", false, false},
    {"kubectl", false, false},
    {"nginx", false, false},
    {"haproxy", false, false},
    {"caddy", false, false},
    {"envoy", false, false},
    {"traefik", false, false},
    {"lighttpd", false, false},
    {"apache2", false, false},
    {"httpd", false, false},
    {"squid", false, false},
    {"tinyproxy", false, false},
    {"privoxy", false, false},
    {"mitmproxy", false, false},
    {"mitmdump", false, false},
    {"mitmweb", false, false},
    {"stunnel", true, false},
    {"cloudflared", false, false},
    {"ngrok", false, false},
    {"tailscaled", false, false},
    {"frpc", false, false},
    {"redir", false, false},
    {"rinetd", false, false},
    {"systemd-socket", true, false}, /* systemd-socket-proxyd */
};

bool peer_is_forwarder(const char *name, bool on_stdio)
{
    for (size_t i = 0; i < sizeof forwarders / sizeof *forwarders; i++) {
        bool same = forwarders[i].is_prefix ? str_starts(name, forwarders[i].name)
                                            : strcmp(name, forwarders[i].name) == 0;
        if (same)
            return !(on_stdio && forwarders[i].bridges_stdio);
    }
    return false;
}

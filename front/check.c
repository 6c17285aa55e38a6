/* front/check.c - see check.h. */
#include "front/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static struct check_result refuse(int status, const char *fmt, ...) PRINTF_LIKE(2, 3);
static struct check_result refuse(int status, const char *fmt, ...)
{
    struct check_result r = {.status = status};
    va_list args;
    va_start(args, fmt);
    vsnprintf(r.text, sizeof r.text, fmt, args);
    va_end(args);
    return r;
}

/* "localhost", "127.0.0.1" or "[::1]", each with our port (or any, when port is 0) or none. */
static bool is_loopback_authority(struct span s, int port)
{
    static const char *const names[] = {"localhost", "127.0.0.1", "[::1]"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t n = strlen(names[i]);
        if (s.n < n || !span_is_nocase((struct span){s.p, n}, names[i]))
            continue;
        struct span rest = {s.p + n, s.n - n};
        if (!rest.n)
            return true;
        char ours[16];
        snprintf(ours, sizeof ours, ":%d", port);
        if (port ? span_is(rest, ours) : rest.p[0] == ':')
            return true;
    }
    return false;
}

static bool is_loopback_origin(struct span origin)
{
    static const char scheme[] = "http://", secure[] = "https://";
    size_t n = sizeof scheme - 1, m = sizeof secure - 1;
    if (origin.n > n && memcmp(origin.p, scheme, n) == 0)
        return is_loopback_authority((struct span){origin.p + n, origin.n - n}, 0);
    if (origin.n > m && memcmp(origin.p, secure, m) == 0)
        return is_loopback_authority((struct span){origin.p + m, origin.n - m}, 0);
    return false;
}

static bool is_own_origin(struct span origin, int port)
{
    char text[48];
    static const char *const names[] = {"localhost", "127.0.0.1", "[::1]"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(text, sizeof text, "http://%s:%d", names[i], port);
        if (span_is_nocase(origin, text))
            return true;
    }
    return false;
}

static bool is_json(struct span content_type)
{
    static const char json[] = "application/json";
    size_t n = sizeof json - 1;
    return content_type.n >= n && span_is_nocase((struct span){content_type.p, n}, json) &&
           (content_type.n == n || content_type.p[n] == ';' || content_type.p[n] == ' ');
}

static struct check_result check_browser(const struct http_head *head, bool is_mcp, int port)
{
    struct span origin = http_header(head, "Origin");
    if (origin.p) {
        if (is_mcp ? !is_loopback_origin(origin) : !is_own_origin(origin, port))
            return refuse(403, "requests of web pages from origin %.*s are not answered",
                          (int)(origin.n < 80 ? origin.n : 80), origin.p);
        return (struct check_result){0};
    }
    struct span site = http_header(head, "Sec-Fetch-Site");
    if (site.p && !span_is(site, "none") && !span_is(site, "same-origin"))
        return refuse(403, "requests of web pages of another site are not answered");
    return (struct check_result){0};
}

struct check_result check_request(const struct http_head *head, const struct peer_id *peer,
                                  uid_t our_uid, bool is_mcp, int port)
{
    if (!peer->is_known)
        return refuse(403, "the system does not say which user this connection belongs to");
    if (peer->uid != our_uid)
        return refuse(403,
                      "this poold belongs to another user (uid %ld, you are uid %ld); "
                      "start your own with: poolctl ensure DIR",
                      (long)our_uid, (long)peer->uid);
    struct span host = http_header(head, "Host");
    if (host.p && !is_loopback_authority(host, port))
        return refuse(421, "the Host header must be 127.0.0.1:%d or localhost:%d", port, port);
    struct check_result browser = check_browser(head, is_mcp, port);
    if (browser.status)
        return browser;
    bool changes = head->method != HTTP_GET_M && head->method != HTTP_HEAD_M;
    if (!is_mcp && changes) {
        if (head->method != HTTP_POST_M && head->method != HTTP_PUT_M &&
            head->method != HTTP_DELETE_M)
            return refuse(405, "this method is not used here");
        if (!is_json(http_header(head, "Content-Type")))
            return refuse(415, "a change needs Content-Type: application/json");
    }
    return (struct check_result){0};
}

/* front/restore.c - see restore.h. */
#include "front/restore.h"

#include "base/caps.h"
#include "base/str.h"
#include "front/link_stdio.h"
#include "front/own.h"
#include "front/shared.h"
#include "mcp/jsonrpc.h"

#include <string.h>

#define SUBSCRIPTIONS_MAX 1000 /* of one session that are kept */

static size_t index_of(const struct strv *list, struct span raw)
{
    size_t i = 0;
    while (i < list->count &&
           (strlen(list->items[i]) != raw.n || memcmp(list->items[i], raw.p, raw.n) != 0))
        i++;
    return i;
}

void restore_note(struct session *s, const struct rpc_peek *peek)
{
    bool is_level = rpc_text_is(peek->method, "logging/setLevel");
    bool is_on = rpc_text_is(peek->method, "resources/subscribe");
    bool is_off = rpc_text_is(peek->method, "resources/unsubscribe");
    if (!is_level && !is_on && !is_off)
        return;
    struct span value = rpc_member(peek->params, is_level ? "level" : "uri");
    if (value.n < 2 || value.p[0] != '"')
        return; /* the daemon says what is wrong with it */
    if (is_level) {
        free(s->level);
        s->level = xstrndup(value.p, value.n);
    } else {
        size_t at = index_of(&s->subscriptions, value);
        bool is_there = at < s->subscriptions.count;
        if (is_on == is_there || (is_on && at >= SUBSCRIPTIONS_MAX))
            return;
        if (is_on)
            strv_add_take(&s->subscriptions, xstrndup(value.p, value.n));
        else
            strv_remove(&s->subscriptions, at);
    }
    session_save(s);
}

void restore_refused(struct session *s, struct span method, struct span value)
{
    size_t at = index_of(&s->subscriptions, value);
    if (rpc_text_is(method, "logging/setLevel")) {
        free(s->level);
        s->level = NULL;
    } else if (at < s->subscriptions.count) {
        strv_remove(&s->subscriptions, at);
    }
    session_save(s);
}

char *restore_subscriptions(const struct session *s)
{
    struct buf out = BUF_INIT(CAP_BODY);
    bool ok = s->subscriptions.count > 0;
    for (size_t i = 0; ok && i < s->subscriptions.count; i++)
        ok = buf_add_str(&out, i ? "," : "[") && buf_add_str(&out, s->subscriptions.items[i]);
    ok = ok && buf_add_str(&out, "]");
    char *text = xstrdup(ok ? buf_text(&out) : "");
    buf_release(&out);
    return text;
}

void restore_read(struct strv *out, const char *subscriptions)
{
    struct span list = {subscriptions, subscriptions ? strlen(subscriptions) : 0}, item;
    const char *at = list.p, *end = span_end(list);
    while (list.n && rpc_batch_next(&at, end, &item))
        strv_add_take(out, xstrndup(item.p, item.n));
}

void restore_load(struct session *s, const char *level, const char *subscriptions)
{
    if (level && level[0])
        s->level = xstrdup(level);
    restore_read(&s->subscriptions, subscriptions);
}

static void on_told(void *arg, struct session *s, struct span answer)
{
    struct link *l = &s->link;
    (void)answer; /* a resource that is gone, a level that it does not know: as good as it gets */
    if (l->serial != (uintptr_t)arg || !l->restoring || --l->restoring)
        return;
    s->holds++;
    list_each(node, after, &s->flights) /* its calls waited for this */
        flight_go(container_of(node, struct flight, session_node));
    s->holds--;
}

static void tell(struct session *s, const char *method, const char *key, const char *value)
{
    struct buf params = BUF_INIT(CAP_BODY);
    if (buf_printf(&params, "{\"%s\":", key) && buf_add_str(&params, value) &&
        buf_add_str(&params, "}")) {
        s->link.restoring++;
        own_request(s, method, (struct span){params.data, params.len}, on_told,
                    (void *)(uintptr_t)s->link.serial);
    }
    buf_release(&params);
}

void restore_begin(struct session *s)
{
    bool is_shared = link_is_shared(&s->link); /* others may have told it already */
    const char *level = is_shared ? shared_level_due(&s->link) : s->level;
    if (level)
        tell(s, "logging/setLevel", "level", level);
    for (size_t i = 0; i < s->subscriptions.count; i++)
        if (!is_shared || shared_subscription_due(&s->link, s->subscriptions.items[i]))
            tell(s, "resources/subscribe", "uri", s->subscriptions.items[i]);
}

static bool may_be_told(const struct session *s)
{
    return link_is_open(&s->link) && s->link.transport != &link_modern;
}

void restore_level(struct session *s, struct span level)
{
    free(s->level);
    s->level = xstrndup(level.p, level.n);
    if (may_be_told(s))
        tell(s, "logging/setLevel", "level", s->level);
}

void restore_follow(struct session *s, struct span uri, bool is_on)
{
    size_t at = index_of(&s->subscriptions, uri);
    if (is_on == (at < s->subscriptions.count) || (is_on && at >= SUBSCRIPTIONS_MAX))
        return;
    char *text = xstrndup(uri.p, uri.n);
    if (is_on)
        strv_add(&s->subscriptions, text);
    else
        strv_remove(&s->subscriptions, at);
    if (may_be_told(s))
        tell(s, is_on ? "resources/subscribe" : "resources/unsubscribe", "uri", text);
    free(text);
}

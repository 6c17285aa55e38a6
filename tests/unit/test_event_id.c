/* tests/unit/test_event_id.c - ids of events on response streams: front/event_id.c. */
#include "front/event_id.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above */
#include <cmocka.h>

static struct front ours = {.session_key = {1, 2, 3}, .run = "abcdefghijklm"},
                    theirs = {.session_key = {1, 2, 4}};
static char session_id[] = "1~0~r~2025-11-25~k~s~abcdefghijklmnopqrstuvwxyz";

/* The id of that event on stream 0x1f that answers this request; 0: it has none. */
static size_t made(char *session, const char *request, uint64_t event, char out[EVENT_ID_MAX])
{
    char name[EVENT_NAME_MAX];
    const struct session s = {.front = &ours, .id = session};
    if (!event_name_make(&s, 0x1f, (struct span){request, strlen(request)}, name))
        return 0;
    return (size_t)snprintf(out, EVENT_ID_MAX, "%s~%llu", name, (unsigned long long)event);
}

static bool reads(const struct front *f, const char *id, size_t n, struct event_id *out)
{
    return event_id_read(f, (struct span){id, n}, out);
}

static void an_id_gives_back_what_it_was_made_for(void **state)
{
    (void)state;
    static const char *const requests[] = {"7", "-1.5e3", "\"a\"", "\"a~b %7E\\n\xc3\xbc\"",
                                           "null"};
    char id[EVENT_ID_MAX];
    struct event_id out;
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        size_t n = made(session_id, requests[i], i * 1000, id);
        assert_true(n && reads(&ours, id, n, &out));
        assert_int_equal(out.stream, 0x1f);
        assert_int_equal(out.event, i * 1000);
        assert_string_equal(out.run, "abcdefghijklm");
        assert_string_equal(out.session, "nopqrstuvwxyz");
        assert_int_equal(out.request.n, strlen(requests[i]));
        assert_memory_equal(out.request.p, requests[i], out.request.n);
    }
}

static void an_id_can_stand_in_a_header(void **state)
{
    (void)state;
    char id[EVENT_ID_MAX];
    size_t n = made(session_id, "\"\x01 \xff\"", 1, id);
    for (size_t i = 0; i < n; i++)
        assert_true(id[i] > ' ' && id[i] < 0x7f);
}

static void a_stream_without_a_session_has_ids_too(void **state)
{
    (void)state;
    char id[EVENT_ID_MAX];
    struct event_id out;
    size_t n = made(NULL, "7", 1, id);
    assert_true(reads(&ours, id, n, &out));
    assert_string_equal(out.session, "-");
}

static void a_long_request_id_has_no_event_ids(void **state)
{
    (void)state;
    char request[200], id[EVENT_ID_MAX];
    memset(request, '1', sizeof request);
    request[128] = '\0';
    assert_true(made(session_id, request, 1, id) > 0);
    request[128] = '1';
    request[129] = '\0';
    assert_int_equal(made(session_id, request, 1, id), 0);
}

static void an_id_with_any_byte_of_its_name_changed_is_refused(void **state)
{
    (void)state;
    char id[EVENT_ID_MAX];
    struct event_id out;
    size_t n = made(session_id, "7", 1, id);
    for (size_t i = 0; i < n - 2; i++) {
        id[i] ^= 1;
        assert_false(reads(&ours, id, n, &out));
        id[i] ^= 1;
    }
    for (size_t i = 0; i < n; i++)
        assert_false(reads(&ours, id, i, &out));
    assert_true(reads(&ours, id, n, &out));
    assert_false(reads(&theirs, id, n, &out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_gives_back_what_it_was_made_for),
        cmocka_unit_test(an_id_can_stand_in_a_header),
        cmocka_unit_test(a_stream_without_a_session_has_ids_too),
        cmocka_unit_test(a_long_request_id_has_no_event_ids),
        cmocka_unit_test(an_id_with_any_byte_of_its_name_changed_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

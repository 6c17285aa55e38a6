/* test_inputs.c - pool/inputs.c: what of a stdio daemon's input the keeper has not written yet. */
#include "base/caps.h"
#include "base/str.h"
#include "keeper/wire.h"
#include "pool/inputs.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static struct inputs in;
static struct err err;

static int setup(void **state)
{
    (void)state;
    err_clear(&err);
    inputs_init(&in);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    inputs_finish(&in);
    return 0;
}

/* The number of the frame that a line went into; 0: it was refused. */
static uint64_t add(const char *text, size_t n)
{
    const char *frame;
    size_t size;
    struct wire_header header;
    if (!inputs_add(&in, text, n, &frame, &size, &err))
        return 0;
    memcpy(&header, frame, sizeof header);
    assert_int_equal(size, sizeof header + n);
    assert_int_equal(header.type, WIRE_INPUT);
    assert_memory_equal(frame + sizeof header, text, n);
    return header.sequence;
}

static void lines_are_numbered_from_one(void **state)
{
    (void)state;
    inputs_greet(&in, 0);
    assert_int_equal(add("a", 1), 1);
    assert_int_equal(add("bc", 2), 2);
    assert_false(inputs_ack(&in, 1));
    assert_int_equal(in.frames.len, sizeof(struct wire_header) + 2);
    assert_false(inputs_ack(&in, 2));
    assert_int_equal(in.frames.len, 0);
}

static void the_next_poold_counts_on(void **state)
{
    (void)state;
    inputs_greet(&in, 41);
    assert_int_equal(add("a", 1), 42);
}

static void nothing_is_given_before_the_keeper_has_answered(void **state)
{
    (void)state;
    assert_int_equal(add("a", 1), 0);
    assert_int_equal(err.code, ERR_DAEMON_LOST);
}

static void a_new_connection_needs_again_just_what_the_keeper_has_not(void **state)
{
    (void)state;
    inputs_greet(&in, 0);
    add("a", 1);
    add("b", 1);
    add("c", 1);
    inputs_greet(&in, 2);
    struct wire_header header;
    memcpy(&header, in.frames.data, sizeof header);
    assert_int_equal(header.sequence, 3);
    assert_int_equal(in.frames.len, sizeof header + 1);
    assert_int_equal(add("d", 1), 4);
}

static void above_the_window_it_is_refused_until_half_of_it_is_free(void **state)
{
    (void)state;
    size_t n = WIRE_WINDOW / 4;
    char *big = xcalloc(1, n);
    inputs_greet(&in, 0);
    for (uint64_t i = 1; i <= 3; i++)
        assert_int_equal(add(big, n), i);
    assert_int_equal(add(big, n), 0); /* its header would pass the window */
    assert_int_equal(err.code, ERR_CONFLICT);
    assert_false(inputs_ack(&in, 1));
    assert_true(inputs_ack(&in, 2));
    assert_false(inputs_ack(&in, 3)); /* told once */
    free(big);
}

static void one_line_alone_may_be_bigger_than_the_window(void **state)
{
    (void)state;
    size_t n = WIRE_WINDOW + 1;
    char *big = xcalloc(1, n);
    inputs_greet(&in, 0);
    assert_int_equal(add(big, n), 1);
    assert_int_equal(add("a", 1), 0);
    free(big);
}

static void what_the_wire_cannot_take_is_an_error_for_good(void **state)
{
    (void)state;
    char *huge = xcalloc(1, CAP_KEEPER_FRAME + 1);
    inputs_greet(&in, 0);
    assert_int_equal(add(huge, CAP_KEEPER_FRAME + 1), 0);
    assert_int_equal(err.code, ERR_TOO_BIG);
    assert_int_equal(add("a", 1), 1);
    free(huge);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(lines_are_numbered_from_one),
        CASE(the_next_poold_counts_on),
        CASE(nothing_is_given_before_the_keeper_has_answered),
        CASE(a_new_connection_needs_again_just_what_the_keeper_has_not),
        CASE(above_the_window_it_is_refused_until_half_of_it_is_free),
        CASE(one_line_alone_may_be_bigger_than_the_window),
        CASE(what_the_wire_cannot_take_is_an_error_for_good),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

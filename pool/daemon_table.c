/* pool/daemon_table.c - what a slot does in which state at which event: no cell is empty, because
 * silence is a decision too. docs/STATES.md shows the same table and says what each action is. */
#include "pool/slot.h"

static const char *const event_words[SLOT_EVENT_COUNT] = {
#define X(name, word) [SLOT_##name] = word,
    SLOT_EVENTS(X)
#undef X
};

const char *slot_event_word(enum slot_event_kind kind)
{
    return event_words[kind];
}

#define A(name) slot_do_##name
/* clang-format off */
static slot_action *const table[DAEMON_STATE_COUNT][SLOT_EVENT_COUNT] = {
    [DAEMON_DOWN] = {
        [SLOT_WANT] = A(start),       [SLOT_FOUND] = A(adopt),       [SLOT_STARTED] = A(nop),
        [SLOT_PORT_OPEN] = A(nop),    [SLOT_PORT_TAKEN] = A(nop),    [SLOT_ANSWERED] = A(nop),
        [SLOT_REFUSED] = A(nop),      [SLOT_WORK] = A(nop),          [SLOT_REST] = A(nop),
        [SLOT_STOP] = A(nop),         [SLOT_KILL] = A(nop),          [SLOT_MUTE] = A(nop),
        [SLOT_DEADLINE] = A(nop),     [SLOT_ENDING] = A(nop),
        [SLOT_LOST] = A(nop),          [SLOT_EXITED] = A(nop)},
    [DAEMON_STARTING] = {
        [SLOT_WANT] = A(join),        [SLOT_FOUND] = A(adopt),       [SLOT_STARTED] = A(spawned),
        [SLOT_PORT_OPEN] = A(port_open), [SLOT_PORT_TAKEN] = A(move_port),
        [SLOT_ANSWERED] = A(ready),
        [SLOT_REFUSED] = A(refused),  [SLOT_WORK] = A(nop),          [SLOT_REST] = A(nop),
        [SLOT_STOP] = A(stop),        [SLOT_KILL] = A(stop),         [SLOT_MUTE] = A(nop),
        [SLOT_DEADLINE] = A(timed_out), [SLOT_ENDING] = A(nop),
        [SLOT_LOST] = A(lost),       [SLOT_EXITED] = A(failed)},
    [DAEMON_READY] = {
        [SLOT_WANT] = A(join),        [SLOT_FOUND] = A(nop),         [SLOT_STARTED] = A(spawned),
        [SLOT_PORT_OPEN] = A(port_open), [SLOT_PORT_TAKEN] = A(nop), [SLOT_ANSWERED] = A(nop),
        [SLOT_REFUSED] = A(nop),      [SLOT_WORK] = A(busy),         [SLOT_REST] = A(nop),
        [SLOT_STOP] = A(drain),       [SLOT_KILL] = A(stop),         [SLOT_MUTE] = A(revive),
        [SLOT_DEADLINE] = A(idle),    [SLOT_ENDING] = A(ending),
        [SLOT_LOST] = A(lost),         [SLOT_EXITED] = A(crashed)},
    [DAEMON_BUSY] = {
        [SLOT_WANT] = A(join),        [SLOT_FOUND] = A(nop),         [SLOT_STARTED] = A(spawned),
        [SLOT_PORT_OPEN] = A(port_open), [SLOT_PORT_TAKEN] = A(nop), [SLOT_ANSWERED] = A(nop),
        [SLOT_REFUSED] = A(nop),      [SLOT_WORK] = A(nop),          [SLOT_REST] = A(rest),
        [SLOT_STOP] = A(drain),       [SLOT_KILL] = A(stop),         [SLOT_MUTE] = A(revive),
        [SLOT_DEADLINE] = A(nop),     [SLOT_ENDING] = A(ending),
        [SLOT_LOST] = A(lost),         [SLOT_EXITED] = A(crashed)},
    [DAEMON_DRAINING] = {
        [SLOT_WANT] = A(want_later),  [SLOT_FOUND] = A(nop),         [SLOT_STARTED] = A(nop),
        [SLOT_PORT_OPEN] = A(nop),    [SLOT_PORT_TAKEN] = A(nop),    [SLOT_ANSWERED] = A(nop),
        [SLOT_REFUSED] = A(nop),      [SLOT_WORK] = A(nop),          [SLOT_REST] = A(drained),
        [SLOT_STOP] = A(unwant),      [SLOT_KILL] = A(stop),         [SLOT_MUTE] = A(stop_late),
        [SLOT_DEADLINE] = A(stop_late), [SLOT_ENDING] = A(nop),
        [SLOT_LOST] = A(lost),       [SLOT_EXITED] = A(gone)},
    [DAEMON_STOPPING] = {
        [SLOT_WANT] = A(want_later),  [SLOT_FOUND] = A(nop),         [SLOT_STARTED] = A(nop),
        [SLOT_PORT_OPEN] = A(nop),    [SLOT_PORT_TAKEN] = A(nop),    [SLOT_ANSWERED] = A(nop),
        [SLOT_REFUSED] = A(nop),      [SLOT_WORK] = A(nop),          [SLOT_REST] = A(nop),
        [SLOT_STOP] = A(unwant),      [SLOT_KILL] = A(unwant),       [SLOT_MUTE] = A(nop),
        [SLOT_DEADLINE] = A(overdue), [SLOT_ENDING] = A(nop),
        [SLOT_LOST] = A(lost),         [SLOT_EXITED] = A(gone)},
    [DAEMON_FAILED] = {
        [SLOT_WANT] = A(retry),       [SLOT_FOUND] = A(adopt),       [SLOT_STARTED] = A(nop),
        [SLOT_PORT_OPEN] = A(nop),    [SLOT_PORT_TAKEN] = A(nop),    [SLOT_ANSWERED] = A(nop),
        [SLOT_REFUSED] = A(nop),      [SLOT_WORK] = A(nop),          [SLOT_REST] = A(nop),
        [SLOT_STOP] = A(forgive),     [SLOT_KILL] = A(forgive),      [SLOT_MUTE] = A(nop),
        [SLOT_DEADLINE] = A(nop),     [SLOT_ENDING] = A(nop),
        [SLOT_LOST] = A(nop),          [SLOT_EXITED] = A(nop)},
};
/* clang-format on */
#undef A

slot_action *slot_action_for(enum daemon_state state, enum slot_event_kind kind)
{
    return table[state][kind];
}

const char *slot_action_word(slot_action *action)
{
#define X(name)                                                                                    \
    if (action == slot_do_##name)                                                                  \
        return #name;
    SLOT_ACTIONS(X)
#undef X
    return "?";
}

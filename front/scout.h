/* front/scout.h - a server is got to know before its first client needs it: some seconds after a
 * daemon has come up, the front asks it for its handshake and lists itself, in each era that it
 * speaks and that nothing is remembered of yet. So `poolctl ensure` is enough for a client's first
 * turn to find the tools while the daemon is down.
 *
 * Where a client is there already, the eras with sessions are left to it. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct daemon;
struct front;

/* A daemon has changed. */
void scout_daemon_changed(struct front *f, struct daemon *d);
/* Begin and end what is due. True: some is. */
bool scout_check_time(struct front *f, int64_t now_ms);
void scout_forget_all(struct front *f);

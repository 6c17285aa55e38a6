/* front/late.h - answers to calls of an earlier poold. A stdio daemon lives on while poold is
 * started anew, and so does the call that it works on: its answer comes to a poold that never made
 * the call. It is kept for a minute, until its client comes back and asks for it; or the client
 * asks first, and waits. */
#pragma once
#include "front/event_id.h"
#include "front/flight.h"

/* d has answered a call that nobody here has made. tag: of the session's id (empty: d is private).
 * id: the client's own, raw; message: under that id. Given to who waits for it, else kept. */
void late_answer(struct front *f, const struct daemon *d, struct span tag, struct span id,
                 struct span message);
/* The client of s asks again for the request of this id: was its answer kept? Then it is given. */
bool late_give(struct session *s, struct span id);
/* May it still come? Then it is waited for. request: peeked; or its id alone, which peek->id is. */
bool late_wait(struct session *s, struct span request, const struct rpc_peek *peek);
/* The same for a client that resumes a response stream which this poold knows nothing of: c, whose
 * events have begun, gets it. False: it will not come. */
bool late_resume(struct conn *c, const struct event_id *id);
/* A client of HTTP+SSE is back on a new stream: all that was kept for it goes there. */
void late_give_all(struct session *s);
/* Is this the answer to a call that s waits for, or has made? */
bool late_is_awaited(const struct session *s, struct span id);
/* Let go of what nobody has asked for. True: some is left. */
bool late_check_time(struct front *f, int64_t now_ms);
void late_forget_all(struct front *f);

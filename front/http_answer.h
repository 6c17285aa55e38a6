/* front/http_answer.h - how the answer to a POST is written: JSON as JSON, events as an event
 * stream, and what keeps a silent one alive. */
#pragma once
#include "front/conn.h"

/* Clients try twice to resume or reopen a stream: later than a restart of poold takes. */
#define HTTP_RETRY "retry: 1500\r\n"

/* What keeps a stream alive: a line, not a block, because to some clients (Python's) every blank
 * line behind an id ends an event. */
#define HTTP_COMMENT ": poold\r\n"

struct flight;
/* f is a call whose answer, if it becomes an event stream, its client may resume: what its revision
 * allows (a priming event, an id with each event). */
void http_answer_resumable(struct flight *f);
/* For conn_take: a flight (self) whose client waits on this connection. Its sink is
 * client_http_sink (front/flight.h). */
extern const struct conn_user http_flight_user;

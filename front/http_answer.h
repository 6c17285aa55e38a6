/* front/http_answer.h - how the answer to a POST is written: JSON as JSON, events as an event
 * stream, and what keeps a silent one alive. */
#pragma once
#include "front/conn.h"

/* For conn_take: a flight (self) whose client waits on this connection. Its sink is
 * client_http_sink (front/flight.h). */
extern const struct conn_user http_flight_user;

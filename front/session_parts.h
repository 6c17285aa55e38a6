/* front/session_parts.h - what the files of the session (session.c, session_back.c, session_tidy.c)
 * have of each other. */
#pragma once
#include "front/session.h"

/* The reverse of session_client_word; CLIENT_HTTP for any other word. */
enum session_client session_client_from(const char *word);
/* What its server's entry says of sessions. */
void session_take_server(struct session *s);
/* Into the table (it has an id), or among those that are kept without one; counted as a client's. */
void session_table_add(struct session *s);
/* Nobody uses it any more: it is freed, and a daemon of its own goes with it. */
void session_let_go(struct session *s);
/* Its client is gone: what it has in its daemon ends. Its row stays if its id may come back. */
void session_put_aside(struct session *s);

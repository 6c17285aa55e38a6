/* front/session_id.h - session ids that prove themselves: 1~CREATED~RANDOM~REVISION~KEY~SERVER~MAC,
 * where KEY follows a '.' if the client's roots could still decide otherwise, and the MAC is made
 * with the key file in the state directory. */
#pragma once
#include "front/session.h"

#define SESSION_ID_MAX 320

struct session_id_parts {
    char text[SESSION_ID_MAX];
    char *created, *protocol, *key, *server; /* into text; key "": no project was known */
    bool has_roots;                          /* its client's roots were still to be asked for */
};

/* Read or make the key that ids are signed with. */
bool session_key_load(struct front *f, struct err *err) MUST_CHECK;
#define SESSION_MAC_TEXT 26 /* base 32 of 128 bits */
/* The proof of n bytes by that key. */
void session_mac(const struct front *f, const char *text, size_t n, char out[SESSION_MAC_TEXT + 1]);
/* A new id for s, signed: new string. */
char *session_id_make(const struct session *s);
/* Creation and random part of an id (NULL: empty): they tell it from all others. Borrowed. */
struct span session_id_tag(const char *id);
/* Take an id apart if it is one that this installation has signed. */
bool session_id_read(const struct front *f, struct span id,
                     struct session_id_parts *out) MUST_CHECK;

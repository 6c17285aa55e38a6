/* front/known_parts.h - what the files of what is remembered (known.c, known_learn.c) have of each
 * other. */
#pragma once
#include "front/session.h"

#define KNOWN_HASH_SIZE 27

struct known_words {
    const char *word, *method, *capability; /* list_changed is named after the capability */
    const char *member;                     /* of the result that is the list */
};
extern const struct known_words known_words[KNOWN_KIND_COUNT];

struct known {
    struct list node; /* of front->known */
    struct front *front;
    int sessions;
    char *project_key, *server;
    char definition[20], protocol[20], hash[KNOWN_HASH_SIZE];
    bool is_modern; /* said in the stateless era */
    char *results[KNOWN_KIND_COUNT];
    bool is_exact[KNOWN_KIND_COUNT];      /* said to such a client, not to another one */
    char confirmed[KNOWN_KIND_COUNT][32]; /* the daemon's life that last said so */
    char asked[KNOWN_KIND_COUNT][32];     /* the one that was last asked */
    bool is_read[KNOWN_KIND_COUNT];       /* its answer is on the way */
    bool is_stale[KNOWN_KIND_COUNT];      /* and it has changed since: to be asked again */
};

/* The known of s for the definition that a start would use now, NULL if it has said nothing of
 * itself, or if it cannot be known yet. */
struct known *known_of_session(struct session *s);
/* One session less uses it (NULL: nothing). */
void known_release(struct known *k);
const char *known_era(const struct known *k); /* legacy modern */

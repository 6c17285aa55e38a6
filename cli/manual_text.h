/* cli/manual_text.h - the manual pages that poolctl carries, as plain text: whole, or the sections
 * that answer a topic. */
#pragma once
#include <stdbool.h>
#include <stdio.h>

/* A page as it is kept in docs/man; made by etc/cmake/Embed.cmake. A NULL name ends the list. */
struct manual_file {
    const char *name; /* "poold.8" */
    const char *roff;
};
extern const struct manual_file manual_files[];

/* What `poolctl help TOPIC` knows. */
struct topic {
    const char *name;     /* "config"; NULL ends the list */
    const char *file;     /* "poold.conf.5" */
    const char *sections; /* with | between, NULL: the whole page */
    const char *summary;
};
extern const struct topic topics[];
/* By its name, or the page's ("poold.8", "poold"); NULL: none. */
const struct topic *topic_find(const char *name);

/* The topic as text of at most 80 columns. False if the pages lack one of its sections. */
bool topic_print(const struct topic *topic, FILE *out);
/* One page, or the sections named (with | between). How many sections were printed. */
int manual_print_text(const char *roff, const char *sections, FILE *out);

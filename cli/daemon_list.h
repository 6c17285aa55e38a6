/* cli/daemon_list.h - the table of daemons that `list` and `status` show. */
#pragma once
#include <jansson.h>

/* Print the rows of an array of DAEMONs, the cause and remedy under each bad one. */
void daemon_list_print(const json_t *daemons);
/* "3 daemons of at most 16 up, 812 MiB of trees (budget 2.0 GiB)". settings NULL: not known. */
void daemon_list_totals(const json_t *daemons, const json_t *settings);

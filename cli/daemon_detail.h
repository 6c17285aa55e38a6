/* cli/daemon_detail.h - all about one daemon, for people. */
#pragma once
#include <jansson.h>

/* Print a DAEMON that has its "clients" and "lastExits". */
void daemon_detail_print(const json_t *d);

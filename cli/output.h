/* cli/output.h - the two ways to answer: JSON, or lines for people. */
#pragma once
#include "cli/cmd.h"
#include "cli/field.h"
#include "cli/say.h"

/* With --json print it (borrowed) and return true. */
bool output_json(const struct cli *cli, const json_t *json);
/* "  name    value" in a list of facts; nothing when value is empty. value is taken over. */
void output_fact(const char *name, char *value);
/* "verb server for ~/project". */
void output_did(const char *verb, const json_t *daemon);

/* cli/history_table.h - rows of the history as a table. */
#pragma once
#include <jansson.h>
#include <stdbool.h>

void history_table_print(const json_t *rows, bool has_project);

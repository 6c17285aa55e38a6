/* cli/tool_content.h - what a tool answered, for people and pipes: texts to a stream, images and
 * other binary content to files. */
#pragma once
#include "base/err.h"

#include <jansson.h>
#include <stdio.h>

/* Write the content of a tools/call result: text as it is; image, audio and binary resources into
 * new files of dir (TOOL-1.png, ...), of which the path is written; links as their URI. A result
 * without content is written as its structured content. An existing file is never written over. */
bool tool_content_write(const json_t *result, const char *tool, const char *dir, FILE *out,
                        struct err *err) MUST_CHECK;

/* keeper/answer.h - what a keeper says and does when poold asks (keeper/wire.h has the words). */
#pragma once
#include "keeper/keeper.h"

/* Text of WELCOME (version > 0) or STATUS (version 0). */
void answer_fill_status(const struct keeper *keeper, struct buf *text, int64_t version);
/* Send STATUS to one peer. */
void answer_send_status(struct keeper *keeper, struct peer *to);
/* Act on a frame of a peer that has said HELLO. */
void answer_frame(struct keeper *keeper, struct peer *from, const struct wire_header *header,
                  const char *payload);

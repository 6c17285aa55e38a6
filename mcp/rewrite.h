/* mcp/rewrite.h - the same message under another id: what it takes to let many clients, who all
 * count from 0, share one MCP connection. Pure functions on bytes; nothing is parsed into a tree,
 * and a message is copied once.
 *
 * An alias is the id that a request has upstream: the string "poold.SERIAL.TAG.ID". SERIAL (hex) is
 * never used twice, TAG names the session, ID is the client's own id: n7 for the number 7, sabc for
 * the string "abc", z for null, x for one that is too long to be carried along. So a poold that has
 * never seen the request can still tell whose answer it is. */
#pragma once
#include "base/buf.h"
#include "mcp/http_head.h"

#define RPC_ALIAS_ID_MAX 200 /* bytes of a client's id that are carried along */
#define RPC_ALIAS_TAG_MAX 64
#define RPC_ALIAS_MAX (RPC_ALIAS_ID_MAX + RPC_ALIAS_TAG_MAX + 32) /* bytes of one, quotes too */

struct rpc_edit {
    struct span at; /* within the message; empty: this edit is none */
    struct span by; /* what stands there then: one raw JSON value */
};

/* Append the message, which rpc_peek has called one, as one line: with its edits (in any order, at
 * most 4, none inside another), and with the line breaks between its tokens as blanks. */
bool rpc_rewrite(struct buf *out, struct span message, const struct rpc_edit *edits,
                 size_t count) MUST_CHECK;

struct rpc_alias { /* spans point into the id that was read */
    uint64_t serial;
    struct span tag; /* empty: a progress token of ours, which says no more */
    struct span id;  /* with its letter */
};

/* Write an alias as raw JSON. id: the client's, raw JSON. tag: up to RPC_ALIAS_TAG_MAX letters,
 * digits, '~' and '-'; an empty one makes a progress token, "poold.SERIAL". The length; 0 if it has
 * no room. */
size_t rpc_alias_write(char *out, size_t room, uint64_t serial, struct span tag, struct span id);
/* Read a raw id or token back. False: it is none of ours. */
bool rpc_alias_read(struct span raw, struct rpc_alias *out) MUST_CHECK;
/* Append the client's own id, raw JSON, type and value as they were. False: it was not carried. */
bool rpc_alias_id(const struct rpc_alias *alias, struct buf *out) MUST_CHECK;

/* Are two raw JSON values, strings or numbers, the same id? Strings are compared with their escapes
 * resolved and numbers by their value, for a peer may write them in another way. */
bool rpc_same_value(struct span a, struct span b);

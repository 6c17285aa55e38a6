/* keeper/tree.h - everything that descends from the daemon, and how it is ended.
 *
 * On Linux the keeper is a child subreaper: whoever loses its parent becomes our child, so the tree
 * is "all below us" and it is gone when waitpid knows of no child. On macOS there is no such thing;
 * there the descendants are remembered while the daemon runs. */
#pragma once
#include "platform/proc.h"

struct tree {
    bool adopts;            /* we are a subreaper */
    struct proc_list known; /* else: whom we have seen */
};

/* To be called before the spawn. */
void tree_init(struct tree *tree);
void tree_finish(struct tree *tree);
/* Look who is there now. Needed from time to time only where tree.adopts is false. */
void tree_remember(struct tree *tree);
/* All members, without ourselves, into *out (zeroed before; free(out->items)). */
void tree_members(struct tree *tree, struct proc_list *out);
/* Is there still a member (other than a zombie child we have yet to reap)? Call after waitpid has
 * said there is no child (has_children false). */
bool tree_is_empty(struct tree *tree, bool has_children);
/* TERM to every member, and CONT so that a stopped one can act on it. */
void tree_terminate(struct tree *tree);
/* KILL to every member, seen whole. */
void tree_kill(struct tree *tree);

/* keeper/tree.c - see tree.h. */
#include "keeper/tree.h"

#include "platform/spawn.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void tree_init(struct tree *tree)
{
    *tree = (struct tree){.adopts = spawn_adopt_orphans()};
}

void tree_finish(struct tree *tree)
{
    free(tree->known.items);
    *tree = (struct tree){0};
}

/* Drop list[i], keeping the order. */
static void drop(struct proc_list *list, size_t i)
{
    memmove(list->items + i, list->items + i + 1, (list->count - i - 1) * sizeof *list->items);
    list->count--;
}

void tree_members(struct tree *tree, struct proc_list *out)
{
    for (size_t i = 0; i < tree->known.count; i++)
        if (proc_is_alive(tree->known.items[i]))
            proc_tree(tree->known.items[i].pid, out);
    proc_tree(getpid(), out);
    for (size_t i = 0; i < out->count; i++)
        if (out->items[i].pid == getpid())
            drop(out, i--);
}

void tree_remember(struct tree *tree)
{
    if (tree->adopts)
        return;
    for (size_t i = 0; i < tree->known.count; i++)
        if (!proc_is_alive(tree->known.items[i]))
            drop(&tree->known, i--);
    struct proc_list now = {0};
    tree_members(tree, &now);
    free(tree->known.items);
    tree->known = now;
}

bool tree_is_empty(struct tree *tree, bool has_children)
{
    if (has_children)
        return false;
    tree_remember(tree);
    return tree->known.count == 0;
}

void tree_terminate(struct tree *tree)
{
    struct proc_list members = {0};
    tree_members(tree, &members);
    for (size_t i = 0; i < members.count; i++)
        proc_signal(members.items[i], SIGTERM);
    for (size_t i = 0; i < members.count; i++)
        proc_signal(members.items[i], SIGCONT);
    free(members.items);
}

void tree_kill(struct tree *tree)
{
    struct proc_list members = {0};
    tree_members(tree, &members);
    proc_kill_all(&members);
    free(members.items);
}

/* base/list.h - intrusive, circular, doubly linked list. A node is a member of the object;
 * a list head is a node of its own. Unlinking an unlinked (self-pointing) node is harmless. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *prev, *next;
};

#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

static inline void list_init(struct list *l)
{
    l->prev = l->next = l;
}

static inline bool list_is_empty(const struct list *l)
{
    return l->next == l;
}

static inline void list_add_tail(struct list *head, struct list *node)
{
    node->prev = head->prev;
    node->next = head;
    head->prev->next = node;
    head->prev = node;
}

static inline void list_remove(struct list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}

/* The loop body may remove (and free) the current node. */
#define list_each(node, after, head)                                                             \
    for (struct list *node = (head)->next, *after = node->next; node != (head);                  \
         node = after, after = node->next)

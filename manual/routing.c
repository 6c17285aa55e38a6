/* manual/routing.c - the rules of routing, apart from tables.c because front/ and api/ each have a
 * struct route of their own. See manual.h. */
#include "front/route.h"
#include "manual/manual.h"

const char *manual_route_word(size_t n)
{
    return n <= ROUTE_ROOTS - ROUTE_PATH ? route_word((enum route_rule)(ROUTE_PATH + n)) : NULL;
}

/* foreign_library.c - a library that does not include engset.h and calls back. */
#include "foreign_library.h"

int call_back(int (*callback)(void *), void *argument)
{
    return callback(argument) + 1; /* so that its own frame stays */
}

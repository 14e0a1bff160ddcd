/* exchange/bugs.h - the five bugs that the injector plants. Whoever calls this has the bug itself. */
#ifndef EXCHANGE_BUGS_H
#define EXCHANGE_BUGS_H

#include <engset.h>

enum bug { BUG_NULL_READ, BUG_RECURSION, BUG_DIVISION, BUG_ABORT, BUG_LOOP, BUG_OTHER, BUGS };

/* Does what `bug` says, and so ends the calling process; an endless loop goes on until somebody kills it. */
void bug_commit(int bug);

/* Which bug a process had that ended with `reason`; BUG_OTHER: none of ours. */
enum bug bug_of_reason(es_term reason);

/* "NULL read", and "null_read". */
const char *bug_text(enum bug bug);
const char *bug_name(enum bug bug);

#endif

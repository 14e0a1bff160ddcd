/* behaviour/surely.h - what must be done though there is no memory just now: it is tried again, a little later. */
#ifndef BEHAVIOUR_SURELY_H
#define BEHAVIOUR_SURELY_H

#include <engset/proc.h>

/* Until `call` gives something else than ES_ENOMEM. The process waits meanwhile, which needs no memory; a kill ends the wait. */
#define ESI_SURELY(call)            \
    do {                            \
        while ((call) == ES_ENOMEM) \
            es_sleep(1);            \
    } while (0)

#endif

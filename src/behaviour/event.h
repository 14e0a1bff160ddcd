/* behaviour/event.h - the kinds of event handlers that the program has, by name. */
#ifndef BEHAVIOUR_EVENT_H
#define BEHAVIOUR_EVENT_H

#include <engset/event.h>

/* NULL: there is none of that name. Any thread. */
const es_event_handler *esi_event_known(const char *name);

#endif

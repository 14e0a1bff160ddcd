/* supervise/application.h - the two processes behind applications: the controller, one of a node, which knows which run; and a master for each that runs, which is
 * the group leader of all in its tree, starts the top and stops it. */
#ifndef SUPERVISE_APPLICATION_H
#define SUPERVISE_APPLICATION_H

#include <engset/application.h>

/* The application of that name that is linked into the program; NULL: none. */
const es_application *esi_application_find(const char *name);

/* The controller's pid; it is started when there is none. */
es_pid esi_application_controller(void);

/* How long an orderly stop of all may take: ES_STOP_MS, or 30 s. */
int64_t esi_application_stop_ms(void);

/* What a master runs: {Name, Controller}. It tells the controller {'$gen_cast', {started, Name}} when it is up, or ends with the reason why not. On {stop} it
 * stops all and ends `shutdown`; when its top ends by itself it ends with {ended, Reason}. */
void esi_application_master(es_term args);

#endif

/* port/child_sim.h - child programs of a simulated world: a process that runs a function, and one that plays the server of children for it.
 *
 * To the rest of child.c they are like a real child: the owner holds a line, by which answers come and commands go (child_server.h). */
#ifndef PORT_CHILD_SIM_H
#define PORT_CHILD_SIM_H

#include <limits.h>
#include <engset/child.h>
#include "proc/process.h"

/* Finds what `program` means there and writes it to `path`. ES_ENOTFOUND: es_simulate_program() was not told of it. */
ES_CHECKED es_err esi_child_sim_find(const char *program, char path[PATH_MAX]);

/* Starts it. On ES_OK it has what is in `line` and `streams`, its descriptors 0, 1 and 2; the line will say that it runs. ES_ENOMEM, ES_ELIMIT:
 * all of that is still the caller's. On behalf of `self`, in the runtime. */
ES_CHECKED es_err esi_child_sim_start(struct esi_process *self, const es_child_options *options,
                                      const char *path, int line, const int streams[3]);

#endif

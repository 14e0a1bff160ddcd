/* simulate/trace.h - tells what happens in a simulated world, line by line, on stderr: for `engset test --replay`. */
#ifndef SIMULATE_TRACE_H
#define SIMULATE_TRACE_H

#include <stdint.h>
#include "proc/process.h"

/* From here on each turn, message, birth and end is told, until stop. Nobody else may watch the probes. */
void esi_trace_start(void);
void esi_trace_stop(void);

/* "  12.000500 ms  " and then what `format` says, on stderr. */
void esi_trace_tell(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The process's place in the table and the name of its function: "3 (pay_in)". Static text, until the next call. */
const char *esi_trace_name(const struct esi_process *p);

#endif

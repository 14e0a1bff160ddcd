/* supervise/spec.h - what a supervisor may be told to supervise: the rules, and what their breach is called. */
#ifndef SUPERVISE_SPEC_H
#define SUPERVISE_SPEC_H

#include <engset/supervisor.h>

/* With the defaults where nothing was said. */
int esi_intensity_of(const es_supervisor_spec *spec);
int64_t esi_period_ns_of(const es_supervisor_spec *spec);
int64_t esi_shutdown_ms_of(const es_child_spec *child);

/* ES_NONE: they are in order. Else OTP's words, as a term of the process's own: {invalid_intensity, -3}, missing_id, {invalid_shutdown, -7}...
 * system_limit: there was no memory to say it. */
es_term esi_flags_fault(const es_supervisor_spec *spec);
es_term esi_child_fault(const es_supervisor_spec *spec, const es_child_spec *child);

/* Is `reason` one of those words? */
bool esi_is_child_fault(es_term reason);

/* ---- on its way to a supervisor: bytes, with all that its strings say, so that nothing of who asks is read when it is gone ---- */

/* The bytes, the process's own until es_free(), and how many; NULL: no memory. */
void *esi_spec_pack(const es_child_spec *spec, size_t *out_size);

bool esi_is_packed_spec(es_bin bytes);

/* The spec that was packed, in one block: the process's own until es_free(). NULL: no memory. */
es_child_spec *esi_spec_unpack(es_bin bytes);

/* The same of all of it, as the reason that a start gives: {supervisor_data, _}, {start_spec, _}. */
es_term esi_spec_fault(const es_supervisor_spec *spec);

#endif

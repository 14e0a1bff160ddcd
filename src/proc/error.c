/* error.c - what the last failed call said, of each process; of each thread that is no process. */
#include <stdarg.h>
#include <stdio.h>
#include "proc/process.h"

static __thread struct {
    es_err last_error;
    char detail[256];
} outside __attribute__((tls_model("initial-exec")));

es_err esi_fail(struct esi_process *self, es_err error, const char *format, ...)
{
    va_list arguments;
    struct esi_process_extra *extra = self ? esi_process_extra(self) : NULL;
    if (self && !extra)
        return error; /* no memory to remember it */
    va_start(arguments, format);
    if (extra) {
        extra->last_error = error;
        vsnprintf(extra->detail, sizeof extra->detail, format, arguments);
    } else {
        outside.last_error = error;
        vsnprintf(outside.detail, sizeof outside.detail, format, arguments);
    }
    va_end(arguments);
    return error;
}

es_err es_last_error(void)
{
    struct esi_process *self = esi_enter();
    if (!self)
        return outside.last_error;
    es_err error = self->extra ? self->extra->last_error : ES_OK;
    esi_leave();
    return error;
}

const char *es_last_detail(void)
{
    struct esi_process *self = esi_enter();
    if (!self)
        return outside.detail;
    const char *detail = self->extra ? self->extra->detail : "";
    esi_leave();
    return detail;
}

/* error.c - what the last failed call said, of each process; of each thread that is no process. */
#include <stdarg.h>
#include <stdio.h>
#include "proc/process.h"

static __thread struct {
    es_err last_error;
    char detail[ESI_DETAIL_BYTES];
} outside __attribute__((tls_model("initial-exec")));

es_err esi_fail(struct esi_process *self, es_err error, const char *format, ...)
{
    va_list arguments;
    char *detail = outside.detail;
    if (self) {
        struct esi_process_extra *extra = esi_process_extra(self);
        self->forgot_error = !extra;
        if (!extra)
            return error;
        extra->last_error = error;
        if (!extra->detail)
            extra->detail = esi_block_alloc(ESI_DETAIL_BYTES);
        if (!extra->detail)
            return error;
        detail = extra->detail;
    } else {
        outside.last_error = error;
    }
    va_start(arguments, format);
    vsnprintf(detail, ESI_DETAIL_BYTES, format, arguments);
    va_end(arguments);
    return error;
}

/* Written before entering: a bad pointer is the caller's fault alone. */
es_err es_fail(es_err error, const char *format, ...)
{
    char detail[ESI_DETAIL_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(detail, sizeof detail, format, arguments);
    va_end(arguments);
    struct esi_process *self = esi_enter();
    esi_fail(self, error, "%s", detail);
    if (self)
        esi_leave();
    return error;
}

es_err es_last_error(void)
{
    struct esi_process *self = esi_enter();
    if (!self)
        return outside.last_error;
    es_err error = self->forgot_error ? ES_ENOMEM : self->extra ? self->extra->last_error : ES_OK;
    esi_leave();
    return error;
}

const char *es_last_detail(void)
{
    struct esi_process *self = esi_enter();
    if (!self)
        return outside.detail;
    const char *detail = self->extra && self->extra->detail ? self->extra->detail : "";
    esi_leave();
    return detail;
}

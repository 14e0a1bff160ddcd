/* own.c - what a process holds outside its memory, and what is to be done when a block or the process is left. */
#include "proc/own.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include "platform/os.h"
#include "proc/end.h"

struct esi_process_extra *esi_process_extra(struct esi_process *self)
{
    if (self->extra)
        return self->extra;
    struct esi_process_extra *extra = esi_block_alloc(sizeof *extra);
    if (!extra)
        return NULL;
    memset(extra, 0, sizeof *extra);
    esi_list_init(&extra->owned);
    self->extra = extra;
    return extra;
}

/* ---- destructors ---- */

es_err esi_own(struct esi_process *self, void *resource, void (*destructor)(void *))
{
    struct esi_process_extra *extra = esi_process_extra(self);
    struct esi_owned *owned = extra ? esi_block_alloc(sizeof *owned) : NULL;
    if (!owned)
        return ES_ENOMEM;
    owned->resource = resource;
    owned->destructor = destructor;
    esi_list_push_front(&extra->owned, &owned->in_owned);
    return ES_OK;
}

static struct esi_owned *find_owned(struct esi_process *self, const void *resource,
                                    void (*destructor)(void *))
{
    if (!self->extra)
        return NULL;
    ESI_LIST_EACH(it, &self->extra->owned)
    {
        struct esi_owned *owned = ESI_CONTAINER_OF(it, struct esi_owned, in_owned);
        if (owned->resource == resource && (!destructor || owned->destructor == destructor))
            return owned;
    }
    return NULL;
}

static void forget(struct esi_owned *owned)
{
    esi_list_remove(&owned->in_owned);
    esi_block_free(owned, sizeof *owned);
}

bool esi_disown(struct esi_process *self, void *resource, void (*destructor)(void *))
{
    struct esi_owned *owned = find_owned(self, resource, destructor);
    if (owned)
        forget(owned);
    return owned != NULL;
}

void esi_owned_run(struct esi_process *self)
{
    if (!self->extra)
        return;
    self->extra->defers = NULL; /* what a fault or a kill left there lies on a stack that is used anew */
    for (struct esi_list *first; (first = esi_list_first(&self->extra->owned));) {
        struct esi_owned copy = *ESI_CONTAINER_OF(first, struct esi_owned, in_owned);
        /* Off first: after a fault in the destructor the end goes on behind it. */
        forget(ESI_CONTAINER_OF(first, struct esi_owned, in_owned));
        esi_leave();
        copy.destructor(copy.resource);
        esi_enter();
        esi_charge(self, 1);
    }
}

es_err es_own(void *resource, void (*destructor)(void *resource))
{
    struct esi_process *self = esi_enter();
    if (!self)
        return ES_ENOPROC;
    if (!destructor)
        esi_badarg(self, "own");
    es_err error = esi_own(self, resource, destructor);
    if (error != ES_OK)
        esi_fail(self, error, "own: %s", es_strerror(error));
    esi_leave();
    return error;
}

es_err es_disown(void *resource)
{
    struct esi_process *self = esi_enter();
    if (!self)
        return ES_ENOPROC;
    es_err error =
        esi_disown(self, resource, NULL) ? ES_OK : esi_fail(self, ES_ENOTFOUND, "disown: it is not owned");
    esi_leave();
    return error;
}

/* ---- descriptors ---- */

/* Whoever waits for `fd` is told before its number can mean something else. In the runtime: no kill comes between. */
int esi_close_fd(int fd)
{
    if (esi_plug.descriptor_closing)
        esi_plug.descriptor_closing(fd);
    int result = esi_os_close(fd);
    if (esi_plug.descriptor_closed)
        esi_plug.descriptor_closed();
    return result;
}

static void close_owned(void *resource)
{
    esi_enter();
    esi_close_fd((int)(intptr_t)resource);
    esi_leave();
}

es_err esi_own_fd(struct esi_process *self, int fd)
{
    return esi_own(self, (void *)(intptr_t)fd, close_owned);
}

bool esi_disown_fd(struct esi_process *self, int fd)
{
    return esi_disown(self, (void *)(intptr_t)fd, close_owned);
}

es_err es_own_fd(int fd)
{
    struct esi_process *self = esi_enter();
    if (!self)
        return ES_ENOPROC;
    if (fd < 0)
        esi_badarg(self, "own_fd");
    bool is_open = fcntl(fd, F_GETFD) >= 0;
    es_err error = is_open ? esi_own_fd(self, fd) : ES_EINVAL;
    if (error != ES_OK)
        esi_fail(self, error, "own_fd: descriptor %d: %s", fd,
                 is_open ? es_strerror(error) : "it is not open");
    esi_leave();
    return error;
}

/* In the runtime, so that no kill comes between forgetting and closing. */
es_err es_close(int fd)
{
    struct esi_process *self = esi_enter();
    if (!self)
        return ES_ENOPROC;
    es_err error = ES_OK;
    if (!esi_disown_fd(self, fd))
        error = esi_fail(self, ES_ENOTFOUND, "close: descriptor %d is not this process's", fd);
    else if (esi_close_fd(fd) != 0)
        error = esi_fail(self, ES_EOS, "close: descriptor %d: %s", fd, strerror(*es_errno()));
    esi_leave();
    return error;
}

/* ---- defers ---- */

void esi_defer_push(struct esi_defer *defer)
{
    struct esi_process *self = esi_enter();
    if (!self)
        return; /* the block's end alone runs it */
    struct esi_process_extra *extra = esi_process_extra(self);
    if (!extra) {
        esi_leave();
        defer->function(defer->argument);
        esi_end_with(esi_enter(), es_from_atom(es_am_system_limit));
    }
    defer->outer = extra->defers;
    extra->defers = defer;
    esi_leave();
}

void esi_defer_run(struct esi_defer *defer)
{
    void (*function)(void *) = defer->function;
    struct esi_process *self = esi_enter();
    if (self) {
        /* Blocks are left from the inside; what a longjmp skipped lies before this one and is skipped here too. */
        if (function)
            self->extra->defers = defer->outer;
        defer->function = NULL;
        esi_leave();
    }
    if (function)
        function(defer->argument);
}

void esi_defers_run(struct esi_process *self)
{
    self->is_deferring = true;
    while (self->extra && self->extra->defers) {
        struct esi_defer *defer = self->extra->defers;
        void (*function)(void *) = defer->function;
        self->extra->defers = defer->outer;
        defer->function = NULL;
        esi_leave();
        function(defer->argument);
        esi_enter();
    }
    self->is_deferring = false;
}

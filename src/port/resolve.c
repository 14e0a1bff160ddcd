/* resolve.c - getaddrinfo() in a thread that may block; numbers on the spot. */
#include <engset/resolve.h>

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "port/blocking.h"
#include "port/fd.h"
#include "proc/schedule/worker.h"

enum { NAME_MAX_BYTES = 1025, SERVICE_MAX_BYTES = 33 }; /* NI_MAXHOST and one more than NI_MAXSERV */

struct question {
    char name[NAME_MAX_BYTES], service[SERVICE_MAX_BYTES];
    int flags;
    struct addrinfo *answer, *other; /* `other`: behind it; NULL: nothing is */
    int error, code;
};

static void ask(void *block)
{
    struct question *q = block;
    /* One kind of socket: else each address comes once a kind. */
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = q->flags};
    q->error = getaddrinfo(q->name, *q->service ? q->service : NULL, &hints, &q->answer);
    q->code = errno;
}

/* A simulated world has no server of names: it knows itself, and numbers. */
static void ask_simulated(struct question *q)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};
    const char *service = *q->service ? q->service : NULL;
    bool is_self = strcasecmp(q->name, "localhost") == 0;
    q->error = getaddrinfo(is_self ? "127.0.0.1" : q->name, service, &hints, &q->answer);
    if (is_self && q->error == 0)
        q->error = getaddrinfo("::1", service, &hints, &q->other);
    q->code = errno;
}

static void release(void *block)
{
    struct question *q = block;
    if (q->answer)
        freeaddrinfo(q->answer);
    if (q->other)
        freeaddrinfo(q->other);
}

static int64_t failed(struct esi_process *self, const struct question *q)
{
    es_err error = ES_EOS;
    switch (q->error) {
    case EAI_NONAME:
    case EAI_NODATA:
    case EAI_SERVICE:
    case EAI_ADDRFAMILY:
        error = ES_ENOTFOUND;
        break;
    case EAI_MEMORY:
        error = ES_ENOMEM;
        break;
    }
    char text[128];
    esi_fail(self, error, "resolve: %.120s%s%.30s: %s", q->name, *q->service ? " " : "", q->service,
             q->error == EAI_SYSTEM ? strerror_r(q->code, text, sizeof text) : gai_strerror(q->error));
    *es_errno() = q->error == EAI_SYSTEM ? q->code : q->error == EAI_AGAIN ? EAGAIN : 0;
    return error;
}

static int64_t resolve(struct esi_process *self, struct question *q, int64_t deadline_ns)
{
    q->flags = AI_NUMERICHOST | AI_NUMERICSERV;
    ask(q);
    if (q->error == 0)
        return ES_OK;
    if (esi_node.is_sim) {
        ask_simulated(q);
        return q->error ? failed(self, q) : ES_OK;
    }
    q->flags = 0;
    es_err error = esi_job_do(self, q, deadline_ns);
    if (error != ES_OK)
        return error;
    return q->error ? failed(self, q) : ES_OK;
}

static int64_t write_list(const struct addrinfo *list, es_address *out, int64_t max, int64_t count)
{
    for (const struct addrinfo *it = list; it; it = it->ai_next) {
        if (count < max) {
            out[count].length = it->ai_addrlen;
            memcpy(&out[count].storage, it->ai_addr, it->ai_addrlen);
        }
        count++;
    }
    return count;
}

/* In user mode: `out` is the caller's pointer. */
static int64_t write_out(const struct question *q, es_address *out, int64_t max)
{
    return write_list(q->other, out, max, write_list(q->answer, out, max, 0));
}

int64_t es_resolve(const char *name, const char *service, es_address *out, int64_t max, int64_t deadline_ns)
{
    struct esi_process *self;
    size_t name_size = strlen(name) + 1, service_size = service ? strlen(service) + 1 : 0;
    es_err entered = esi_fd_enter("resolve", &self);
    if (entered != ES_OK)
        return entered;
    bool is_short = name_size > 1 && name_size <= NAME_MAX_BYTES && service_size <= SERVICE_MAX_BYTES;
    struct question *q = is_short ? esi_job_new(self, sizeof *q, ask, release) : NULL;
    int64_t result;
    if (!q) {
        result = esi_fail(self, is_short ? ES_ENOMEM : ES_EINVAL, "resolve: %.120s: %s", name,
                          is_short ? "no memory" : "a name is empty or too long");
        esi_leave();
        return result;
    }
    memcpy(q->name, name, name_size);
    if (service)
        memcpy(q->service, service, service_size);
    result = resolve(self, q, deadline_ns);
    if (result == ES_OK) {
        esi_leave();
        result = write_out(q, out, max); /* a fault here is the process's, and so is the job still */
        self = esi_enter();
    }
    if (result != ES_ETIMEOUT)
        esi_job_free(self, q);
    esi_charge(self, 10);
    esi_leave();
    return result;
}

/* child_text.c - see child_text.h. */
#include "port/child_text.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/alloc.h"
#include "port/child_server.h"

enum { GRACE_DEFAULT_MS = 5000, NS_PER_MS = 1000000 };

/* ---------------------------------------------------------------- the program */

static es_err make_absolute(const char *program, char path[PATH_MAX])
{
    size_t length = 0;
    if (program[0] != '/') {
        if (!getcwd(path, PATH_MAX - 1))
            return ES_EOS;
        length = strlen(path);
        path[length++] = '/';
    }
    size_t rest = strlen(program) + 1;
    if (length + rest > PATH_MAX)
        return ES_EINVAL;
    memcpy(path + length, program, rest);
    return ES_OK;
}

/* ES_ENOTFOUND: no such file; ES_EOS: there is one. */
static es_err look_at(const char *path)
{
    struct stat status;
    if (stat(path, &status) != 0 || !S_ISREG(status.st_mode))
        return ES_ENOTFOUND;
    return access(path, X_OK) == 0 ? ES_OK : ES_EOS;
}

es_err esi_child_find_program(const char *program, char path[PATH_MAX])
{
    if (!*program)
        return ES_EINVAL;
    if (strchr(program, '/'))
        return make_absolute(program, path);
    const char *at = getenv("PATH");
    es_err error = ES_ENOTFOUND;
    char candidate[PATH_MAX];
    if (!at || !*at)
        at = "/usr/local/bin:/usr/bin:/bin";
    for (const char *end; *at; at = *end ? end + 1 : end) {
        end = strchrnul(at, ':');
        int length = snprintf(candidate, sizeof candidate, "%.*s/%s", end > at ? (int)(end - at) : 1,
                              end > at ? at : ".", program);
        if (length >= (int)sizeof candidate)
            continue;
        es_err here = look_at(candidate);
        if (here == ES_OK)
            return make_absolute(candidate, path);
        if (here == ES_EOS) /* as execvp(3): perhaps a later one may be executed */
            error = ES_EOS;
    }
    if (error == ES_EOS)
        *es_errno() = EACCES;
    return error;
}

/* ---------------------------------------------------------------- the strings */

/* Counts when `at` is NULL, writes when not. */
struct writer {
    char *at;
    size_t bytes;
    uint32_t strings;
};

static void put(struct writer *w, const char *string)
{
    size_t size = strlen(string) + 1;
    if (w->at)
        memcpy(w->at + w->bytes, string, size);
    w->bytes += size;
    w->strings++;
}

static size_t name_length(const char *variable)
{
    return (size_t)(strchrnul(variable, '=') - variable);
}

static bool is_changed(const char *const *changes, const char *variable)
{
    size_t length = name_length(variable);
    for (; changes && *changes; changes++)
        if (name_length(*changes) == length && strncmp(*changes, variable, length) == 0)
            return true;
    return false;
}

static void put_arguments(struct writer *w, const es_child_options *options)
{
    put(w, options->name ? options->name : options->program);
    for (const char *const *it = options->arguments; it && *it; it++)
        put(w, *it);
}

static void put_environment(struct writer *w, const es_child_options *options)
{
    for (char **it = options->clear_environment ? NULL : environ; it && *it; it++)
        if (!is_changed(options->environment, *it))
            put(w, *it);
    for (const char *const *it = options->environment; it && *it; it++)
        if (strchr(*it, '='))
            put(w, *it);
}

static void put_all(struct writer *w, const es_child_options *options, const char *path,
                    struct esi_child_request *head)
{
    w->bytes = sizeof *head;
    put(w, path);
    w->strings = 0;
    put_arguments(w, options);
    head->argument_count = w->strings;
    put_environment(w, options);
    head->environment_count = w->strings - head->argument_count;
    head->bytes = w->bytes;
}

static es_err write_all(int fd, const char *bytes, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t count = write(fd, bytes + done, size - done);
        if (count < 0 && *es_errno() != EINTR)
            return ES_EOS;
        if (count > 0)
            done += (size_t)count;
    }
    return ES_OK;
}

es_err esi_child_make_request(const es_child_options *options, const char *path,
                              struct esi_child_request **out)
{
    struct esi_child_request head = {
        .stop_signal = options->stop_signal ? options->stop_signal : SIGTERM,
        .has_own_group = options->own_group,
        .grace_ns = options->grace_ms < 0
                        ? 0
                        : (options->grace_ms ? options->grace_ms : GRACE_DEFAULT_MS) * (int64_t)NS_PER_MS,
    };
    struct writer w = {.at = NULL};
    put_all(&w, options, path, &head);
    w.at = esi_alloc(w.bytes);
    if (!w.at)
        return ES_ENOMEM;
    put_all(&w, options, path, &head);
    *out = memcpy(w.at, &head, sizeof head);
    return ES_OK;
}

es_err esi_child_write_request(const es_child_options *options, const char *path, int *out)
{
    struct esi_child_request *request;
    es_err error = esi_child_make_request(options, path, &request);
    if (error != ES_OK)
        return error;
    int fd = memfd_create("engset-child", MFD_CLOEXEC);
    error = fd < 0 ? ES_EOS : write_all(fd, (const char *)request, request->bytes);
    int code = *es_errno();
    esi_free(request);
    if (error != ES_OK && fd >= 0)
        close(fd);
    *es_errno() = code;
    *out = fd;
    return error;
}

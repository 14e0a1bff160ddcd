/* sys.c - the sweep over what engset/sys.h asks of a process's doings. The allocation that fails may be its: then it may have ended. */
#include "sweep.h"
#include "base/log.h"

ES_ATOMS(r);

typedef struct {
    int64_t nothing;
} plain;
ES_SERVER(plain_server, plain);

static es_pid linked_server(void)
{
    es_trap_exit(true);
    return es_start_link(&plain_server, r);
}

/* An error needs a failed allocation. */
static void came_through(es_err error)
{
    EXPECT(error == ES_OK || !had_memory());
}

#define ROW(name, ...)                  \
    SWEEP(name, MAY_END)                \
    {                                   \
        es_pid pid = linked_server();   \
        es_sys_log(pid, 3);             \
        es_sys_statistics(pid, true);   \
        es_cast(pid, r);                \
        came_through(TRY(__VA_ARGS__)); \
    }

ROW(esi_sys_trace, es_sys_trace(pid, true))
ROW(esi_sys_log, es_sys_log(pid, 5))
ROW(esi_sys_statistics, es_sys_statistics(pid, false))
ROW(esi_sys_no_debug, es_sys_no_debug(pid))

#define GETS(name, ...)                 \
    SWEEP(name, MAY_END)                \
    {                                   \
        es_term out = es_none();        \
        es_pid pid = linked_server();   \
        es_sys_log(pid, 3);             \
        es_sys_statistics(pid, true);   \
        es_cast(pid, r);                \
        came_through(TRY(__VA_ARGS__)); \
        es_drop(out);                   \
    }

GETS(esi_sys_get_log, es_sys_get_log(pid, &out))
GETS(esi_sys_get_statistics, es_sys_get_statistics(pid, &out))

static void no_line(int level, const char *line, size_t length)
{
    (void)level, (void)line, (void)length;
}

int main(int argc, char **argv)
{
    esi_log_set_sink(no_line);
    return sweep_all(argc, argv);
}

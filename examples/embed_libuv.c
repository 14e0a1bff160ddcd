/* embed_libuv.c - processes in a program that is built on libuv: one uv_poll_t drives the node.
 *
 * Callbacks of libuv send to processes, and processes use libuv's handles: all run in the loop's one thread, so nothing needs a lock. */
#include <engset.h>
#include <inttypes.h>
#include <stdio.h>
#include <uv.h>

ES_ATOMS(tick);

enum { STEP_NS = 1000000, TICKS = 3, EVERY_MS = 10 };

static es_pid counting;
static uv_poll_t node;
static uv_timer_t timer;
static uv_async_t done;

static void counter(void)
{
    for (int64_t n = 1; n <= TICKS; n++)
        es_receive
            es_case(tick)
                printf("a process heard tick %" PRId64 " of libuv's timer\n", n);
    es_sleep(EVERY_MS); /* a timer of the node's, in the same loop */
    printf("and slept a little\n");
    uv_async_send(&done);
}

static void on_node(uv_poll_t *handle, int status, int events)
{
    (void)handle, (void)status, (void)events;
    es_loop_step(STEP_NS);
}

static void on_timer(uv_timer_t *handle)
{
    (void)handle;
    es_send(counting, tick);
}

static void on_done(uv_async_t *handle)
{
    uv_poll_stop(&node);
    uv_close((uv_handle_t *)&node, NULL);
    uv_close((uv_handle_t *)&timer, NULL);
    uv_close((uv_handle_t *)handle, NULL);
}

int main(void)
{
    uv_loop_t *loop = uv_default_loop();
    if (es_node_start(&(es_options){.is_driven = true}) != ES_OK)
        return 1;
    uv_poll_init(loop, &node, es_loop_fd());
    uv_poll_start(&node, UV_READABLE, on_node);
    uv_async_init(loop, &done, on_done);
    uv_timer_init(loop, &timer);
    counting = es_spawn(counter);
    uv_timer_start(&timer, on_timer, EVERY_MS, EVERY_MS);
    uv_run(loop, UV_RUN_DEFAULT);
    uv_loop_close(loop);
    return es_node_stop(1000) == ES_OK ? 0 : 1;
}

/* Prints:
 *   a process heard tick 1 of libuv's timer
 *   a process heard tick 2 of libuv's timer
 *   a process heard tick 3 of libuv's timer
 *   and slept a little
 */

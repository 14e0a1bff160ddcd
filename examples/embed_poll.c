/* embed_poll.c - the program keeps its own poll() loop; the processes run in it, in the one thread that the program has.
 *
 * The loop watches one descriptor more, es_loop_fd(), and calls es_loop_step() when that is readable. Here it reads lines from a pipe, as it
 * would from the keyboard, and sends them to a process; another process ticks; a third waits at a descriptor by itself. */
#include <engset.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

ES_ATOMS(line, total);

enum { STEP_NS = 1000000 };

static int lines[2], bell[2]; /* pipes: what comes in; what a process waits for */

/* Adds up the lengths of the lines that it is sent. */
static void counter(void)
{
    int64_t sum = 0;
    es_bin text;
    es_term from;
    for (;;)
        es_receive {
            es_case(ES_TUPLE(line, &text))
                sum += (int64_t)text.size;
            es_case_call(from, total)
                es_reply_to(from, sum);
        }
}

static void ticker(void)
{
    for (int i = 1; i <= 3; i++) {
        es_sleep(10);
        printf("tick %d\n", i);
    }
    if (write(bell[1], "!", 1) != 1)
        es_exit(es_am_error);
}

static void listener(void)
{
    es_wait_fd(bell[0], POLLIN, ES_INFINITY);
    printf("the bell rang\n");
}

int main(void)
{
    char text[64];
    es_term answer;
    int64_t sum = 0;
    if (pipe(lines) || pipe(bell) || es_node_start(&(es_options){.is_driven = true}) != ES_OK)
        return 1;
    es_pid counting = es_spawn(counter), listening = es_spawn(listener);
    es_spawn(ticker);
    if (write(lines[1], "hello, processes", 16) != 16)
        return 1;

    struct pollfd fds[] = {{.fd = lines[0], .events = POLLIN}, {.fd = es_loop_fd(), .events = POLLIN}};
    while (es_is_alive(listening)) {
        poll(fds, 2, -1);
        if (fds[0].revents & POLLIN) {
            ssize_t size = read(lines[0], text, sizeof text);
            es_send(counting, ES_TUPLE(line, es_bytes(text, size > 0 ? (size_t)size : 0)));
        }
        if (fds[1].revents & POLLIN)
            es_loop_step(STEP_NS);
    }

    if (es_try_call(counting, total, 1000, &answer) == ES_OK && es_match(answer, &sum))
        printf("%" PRId64 " bytes came in\n", sum);
    return es_node_stop(1000) == ES_OK ? 0 : 1;
}

/* Prints:
 *   tick 1
 *   tick 2
 *   tick 3
 *   the bell rang
 *   16 bytes came in
 */

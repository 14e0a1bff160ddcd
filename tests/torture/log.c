/* log.c - a flood of lines, and handlers that come and go meanwhile. */
#include <engset.h>
#include <fcntl.h>
#include <pthread.h>
#include "story.h"

enum { THREADS = 3, PROCESSES = 2, SPEAKERS = THREADS + PROCESSES };

static char read_bytes[1 << 22];
static size_t read_length;

static void *reads_all(void *descriptor)
{
    for (ssize_t n;
         (n = read(*(int *)descriptor, read_bytes + read_length, sizeof read_bytes - 1 - read_length)) > 0;)
        read_length += (size_t)n;
    read_bytes[read_length] = '\0';
    return NULL;
}

/* As /proc says; 0 where there is none. */
static long resident_kib(void)
{
    char line[200];
    long kib = 0;
    FILE *status = fopen("/proc/self/status", "re");
    while (status && fgets(line, sizeof line, status))
        if (sscanf(line, "VmRSS: %ld", &kib) == 1)
            break;
    if (status)
        fclose(status);
    return kib;
}

static void speak(void)
{
    for (long n = rounds(10000000); n > 0; n--)
        es_log(ES_LOG_NOTICE, "a line of a flood, number %ld: it is as long as lines are as a rule", n);
}

static void *speaks_in_thread(void *unused)
{
    (void)unused;
    speak();
    return NULL;
}

static void flood(void)
{
    pthread_t threads[THREADS];
    es_pid processes[PROCESSES];
    for (int i = 0; i < THREADS; i++)
        EXPECT(pthread_create(&threads[i], NULL, speaks_in_thread, NULL) == 0);
    for (int i = 0; i < PROCESSES; i++)
        processes[i] = es_spawn(speak);
    for (int i = 0; i < PROCESSES; i++)
        wait_for_end(processes[i]);
    for (int i = 0; i < THREADS; i++)
        EXPECT(pthread_join(threads[i], NULL) == 0);
}

/* The sum of what the lines about dropped events say. */
static long told_dropped(void)
{
    static const char words[] = " events were dropped";
    long sum = 0;
    for (const char *at = read_bytes; (at = strstr(at, words)); at++) {
        const char *digits = at;
        while (digits > read_bytes && digits[-1] >= '0' && digits[-1] <= '9')
            digits--;
        sum += strtol(digits, NULL, 10);
    }
    return sum;
}

/* The pipe takes 64 KiB, and nobody reads it while they speak: that they come to an end is the point. */
CASE(a_flood_is_dropped_and_counted_and_nobody_waits_for_it, rounds(10000000), "RES-13")
{
    int ends[2];
    pthread_t reader;
    es_log_counts counts, after;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(es_log_add_descriptor("pipe", ES_LOG_NOTICE, ES_LOG_TEXT, ends[1]), ES_OK);
    long before_kib = resident_kib();
    play_real(flood);
    assert_int_equal(es_log_handler_counts("pipe", &counts), ES_OK);
    assert_true(resident_kib() - before_kib < 64 * 1024);
    assert_int_equal(counts.handled + counts.waiting + counts.dropped, SPEAKERS * rounds(10000000));
    assert_true(counts.dropped > 0 && counts.waiting > 0 && counts.waiting < 20000);
    assert_int_equal(es_log_flush(0), ES_ETIMEOUT);
    es_log(ES_LOG_ERROR, "an error has a place of its own");
    read_length = 0;
    assert_int_equal(pthread_create(&reader, NULL, reads_all, &ends[0]), 0);
    assert_int_equal(es_log_flush(STORY_PATIENCE_MS), ES_OK);
    assert_int_equal(es_log_remove_handler("pipe"), ES_OK);
    close(ends[1]);
    pthread_join(reader, NULL);
    close(ends[0]);
    assert_non_null(strstr(read_bytes, "an error has a place of its own\n"));
    assert_int_equal(told_dropped(), counts.dropped);
    assert_int_equal(es_log_handler_counts("pipe", &after), ES_ENOTFOUND);
}

/* ------------------------------------------------------------ come and go */

static _Atomic(bool) is_over;

static void *speaks_on(void *unused)
{
    (void)unused;
    while (!atomic_load(&is_over))
        es_log_with(ES_LOG_NOTICE, ES_LOG_FIELDS({"k", "v"}), "on and on");
    return NULL;
}

static void speaks_on_too(void)
{
    EXPECT(es_log_metadata("who", "me") == ES_OK);
    while (!atomic_load(&is_over))
        es_log(ES_LOG_NOTICE, "I, too");
}

static es_err hears(const es_log_event *event, void *state)
{
    int *heard = state;
    ++*heard;
    return event->message[0] == 'o' && *heard == 50 ? ES_EPROTO : ES_OK;
}

static void come_and_go(void)
{
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    pthread_t thread;
    atomic_store(&is_over, false);
    EXPECT(pthread_create(&thread, NULL, speaks_on, NULL) == 0);
    es_pid too = es_spawn(speaks_on_too);
    for (long n = rounds(5000); n > 0; n--) {
        int heard = 0;
        EXPECT(es_log_add_descriptor("null", ES_LOG_NOTICE, ES_LOG_TEXT, null) == ES_OK);
        EXPECT(es_log_add_handler("function", ES_LOG_NOTICE, hears, &heard) == ES_OK);
        EXPECT(es_log_remove_handler("null") == ES_OK);
        (void)es_log_remove_handler("function"); /* if it has not ended by its error */
        es_log_counts counts;
        EXPECT(es_log_handler_counts("function", &counts) == ES_ENOTFOUND);
    }
    atomic_store(&is_over, true);
    wait_for_end(too);
    EXPECT(pthread_join(thread, NULL) == 0);
    close(null);
}

static void test_handlers_come_and_go_while_others_speak(void **state)
{
    (void)state;
    play_real(come_and_go);
}

int main(void)
{
    es_log_remove_handler("default");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flood_is_dropped_and_counted_and_nobody_waits_for_it),
        cmocka_unit_test(test_handlers_come_and_go_while_others_speak),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

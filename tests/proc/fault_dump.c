/* fault_dump.c - the end of a node that may not go on: a dump, one line, the signal. Each in an OS process of its own. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "case.h"
#include "base/assert.h"
#include "platform/sanitize.h"
#include "proc/contain/dump.h"
#include "proc/contain/fault.h"

struct outcome {
    int status;       /* of waitpid() */
    char path[512];   /* of the dump */
    char dump[65536]; /* "" when there is none */
    char said[8192];  /* on stderr */
    mode_t mode;
};

static char folder[] = "/tmp/engset-dump-XXXXXX";
static struct outcome outcome;

static void read_all(int fd, char *bytes, size_t size)
{
    size_t length = 0;
    for (ssize_t got; length < size - 1 && (got = read(fd, bytes + length, size - 1 - length)) > 0;)
        length += (size_t)got;
    bytes[length] = '\0';
    close(fd);
}

/* Runs `child` in an OS process of its own with the handlers in place, and sees what became of it. It is ended after 20 s. */
static void run_to_its_end(void (*child)(void))
{
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    pid_t pid = fork();
    if (pid == 0) {
        alarm(20);
        dup2(pipes[1], STDERR_FILENO);
        close(pipes[0]);
        static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
        for (int i = 0; i < 5; i++) /* cmocka's would take the fault for a failed test */
            signal(signals[i], SIG_DFL);
        if (esi_fault_start() != ES_OK)
            _exit(99);
        child();
        _exit(98);
    }
    close(pipes[1]);
    read_all(pipes[0], outcome.said, sizeof outcome.said);
    assert_int_equal(waitpid(pid, &outcome.status, 0), pid);
    snprintf(outcome.path, sizeof outcome.path, "%s/engset-crash-%d.dump", folder, (int)pid);
    outcome.dump[0] = '\0';
    struct stat info;
    if (stat(outcome.path, &info) == 0) {
        outcome.mode = info.st_mode & 07777;
        read_all(open(outcome.path, O_RDONLY), outcome.dump, sizeof outcome.dump);
        unlink(outcome.path);
    }
}

static void assert_ended_by(int signo)
{
    if (!WIFSIGNALED(outcome.status) || WTERMSIG(outcome.status) != signo)
        fail_msg("status %x, said %s", (unsigned)outcome.status, outcome.said);
}

static void assert_has(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("\"%s\" is missing in:\n%s", part, text);
}

static __attribute__((no_sanitize("address", "undefined", "thread"))) void read_null(void)
{
    volatile int *volatile nothing = NULL;
    (void)*nothing;
}

/* A place is an address, and where it lies in its file. */
static void assert_names_its_file(const char *dump)
{
    char expected[128];
    const char *at = strstr(dump, "place: 0x");
    assert_non_null(at);
    at += strlen("place: 0x");
    at += strspn(at, "0123456789abcdef");
    snprintf(expected, sizeof expected, " %s+0x", program_invocation_short_name);
    assert_int_equal(strncmp(at, expected, strlen(expected)), 0);
}

CASE(a_fault_outside_of_processes_ends_the_node_with_a_dump, 1, "CRH-06 CRH-15")
{
    run_to_its_end(read_null);
    assert_ended_by(SIGSEGV);
    assert_int_equal(outcome.mode, 0600);
    assert_memory_equal(outcome.dump, "engset crash dump, version 1\n", 29);
    assert_has(outcome.dump, "cause: SIGSEGV\n");
    assert_has(outcome.dump, "rule: rule 2: no process's code was running\n");
    assert_has(outcome.dump, "address: 0x0\n");
    assert_has(outcome.dump, "process: none\n");
    assert_names_its_file(outcome.dump);
    assert_has(outcome.dump, "frame: 0x");
    assert_has(outcome.dump, "contained: 0\n");
    assert_has(outcome.said, "engset: the node ends: SIGSEGV at 0x");
    assert_has(outcome.said, outcome.path);
}

/* As on a full disk: not a byte can be written. */
static void read_null_without_space(void)
{
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){0, 0});
    read_null();
}

CASE(without_space_for_the_dump_the_node_ends_all_the_same, 1, "RES-07")
{
    run_to_its_end(read_null_without_space);
    assert_ended_by(SIGSEGV);
    assert_string_equal(outcome.dump, "");
    assert_has(outcome.said, "engset: the node ends: SIGSEGV at 0x");
    assert_has(outcome.said, "; crash dump, which the disk or a limit cut short: ");
    assert_has(outcome.said, outcome.path);
}

static void call_abort(void)
{
    abort();
}

static void test_an_abort_ends_the_node_with_a_dump(void **state)
{
    (void)state;
    run_to_its_end(call_abort);
    assert_ended_by(SIGABRT);
    assert_has(outcome.dump, "cause: SIGABRT\n");
}

static void raise_segv(void)
{
    raise(SIGSEGV);
}

static void test_a_signal_that_was_sent_ends_the_os_process_as_any_other(void **state)
{
    (void)state;
    run_to_its_end(raise_segv);
    assert_ended_by(SIGSEGV);
    assert_has(outcome.dump, "rule: rule 1");
}

static void break_an_invariant(void)
{
    esi_assert(1 + 1 == 3);
}

static void test_a_broken_invariant_is_the_cause_in_the_dump(void **state)
{
    (void)state;
    run_to_its_end(break_an_invariant);
    assert_ended_by(SIGABRT);
    assert_has(outcome.dump, "cause: 1 + 1 == 3 at ");
    assert_has(outcome.dump, "rule: a broken invariant of the runtime\n");
}

static void call_assert_failed(void)
{
    esi_assert_failed("1 == 2", "src/some.c", 41, "some");
}

static void test_a_failed_assertion_outside_of_processes_ends_the_os_process(void **state)
{
    (void)state;
    run_to_its_end(call_assert_failed);
    assert_ended_by(SIGABRT);
    assert_has(outcome.said, "some.c:41: some: assertion `1 == 2' failed");
}

static void fail_in_a_part(void)
{
    static struct esi_worker broken = {.index = 0};
    /* A worker whose process is nowhere: the dump reads it. */
    atomic_store(&broken.current, (struct esi_process *)(uintptr_t)4096);
    atomic_store(&esi_node.workers[0], &broken);
    read_null();
}

CASE(a_part_of_the_dump_that_cannot_be_read_is_left_out, 1, "CRH-07 CRH-15")
{
    if (ESI_TSAN)
        skip_since("the fault is in ThreadSanitizer's own code");
    run_to_its_end(fail_in_a_part);
    assert_ended_by(SIGSEGV);
    assert_has(outcome.dump, "worker: 0\n");
    assert_has(outcome.dump, "unreadable: ");
    assert_has(outcome.dump, "node_state: "); /* the part behind it */
    assert_has(outcome.said, "crash dump: ");
}

static void *fault_in_a_thread(void *barrier)
{
    pthread_barrier_wait(barrier);
    read_null();
    return NULL;
}

static void fault_in_two_threads(void)
{
    pthread_barrier_t barrier;
    pthread_t threads[2];
    pthread_barrier_init(&barrier, NULL, 2);
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, fault_in_a_thread, &barrier);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
}

static void test_two_faults_at_once_make_one_dump(void **state)
{
    (void)state;
    for (int round = 0; round < 20; round++) {
        run_to_its_end(fault_in_two_threads);
        assert_ended_by(SIGSEGV);
        assert_has(outcome.dump, "contained: ");
        char *said = strstr(outcome.said, "the node ends");
        assert_non_null(said);
        assert_null(strstr(said + 1, "the node ends"));
    }
}

static void test_without_dumps_the_line_is_said_all_the_same(void **state)
{
    (void)state;
    setenv("ES_DUMP", "0", 1);
    run_to_its_end(read_null);
    unsetenv("ES_DUMP");
    assert_ended_by(SIGSEGV);
    assert_string_equal(outcome.dump, "");
    assert_has(outcome.said, "no crash dump");
}

static void make_a_trap_for_the_dump(void)
{
    char path[512];
    snprintf(path, sizeof path, "%s/engset-crash-%d.dump", folder, (int)getpid());
    if (symlink("/tmp/engset-dump-never", path) != 0)
        _exit(97);
    read_null();
}

static void test_a_dump_does_not_go_through_a_link(void **state)
{
    (void)state;
    char other[600];
    run_to_its_end(make_a_trap_for_the_dump);
    assert_ended_by(SIGSEGV);
    assert_int_equal(access("/tmp/engset-dump-never", F_OK), -1);
    assert_has(outcome.said, ".1.dump");
    snprintf(other, sizeof other, "%.*s.1.dump", (int)strlen(outcome.path) - 5, outcome.path);
    assert_int_equal(unlink(other), 0);
    assert_int_equal(unlink(outcome.path), 0);
}

static void stop_and_fault(void)
{
    esi_fault_stop();
    signal(SIGSEGV, SIG_DFL);
    read_null();
}

static void test_after_the_stop_everything_is_as_before(void **state)
{
    (void)state;
    run_to_its_end(stop_and_fault);
    assert_ended_by(SIGSEGV);
    assert_string_equal(outcome.said, "");
}

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    return setenv("ES_DUMP_DIR", folder, 1);
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fault_outside_of_processes_ends_the_node_with_a_dump),
        cmocka_unit_test(without_space_for_the_dump_the_node_ends_all_the_same),
        cmocka_unit_test(test_an_abort_ends_the_node_with_a_dump),
        cmocka_unit_test(test_a_signal_that_was_sent_ends_the_os_process_as_any_other),
        cmocka_unit_test(test_a_broken_invariant_is_the_cause_in_the_dump),
        cmocka_unit_test(test_a_failed_assertion_outside_of_processes_ends_the_os_process),
        cmocka_unit_test(a_part_of_the_dump_that_cannot_be_read_is_left_out),
        cmocka_unit_test(test_two_faults_at_once_make_one_dump),
        cmocka_unit_test(test_without_dumps_the_line_is_said_all_the_same),
        cmocka_unit_test(test_a_dump_does_not_go_through_a_link),
        cmocka_unit_test(test_after_the_stop_everything_is_as_before),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

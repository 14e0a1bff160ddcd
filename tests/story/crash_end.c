/* crash_end.c - what may not be contained ends the node at once, with a dump: it never hangs, and nobody else's libc is left locked. */
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "as_written.h"
#include "case.h"
#include <engset.h>
#include "platform/sanitize.h"
#include "proc/contain/fault.h"

static struct {
    int status;
    char dump[65536], said[16384];
    bool has_dump;
    mode_t mode;
} outcome;
static char folder[] = "/tmp/engset-end-XXXXXX";

static void read_all(int fd, char *bytes, size_t size)
{
    size_t length = 0;
    for (ssize_t got; length < size - 1 && (got = read(fd, bytes + length, size - 1 - length)) > 0;)
        length += (size_t)got;
    bytes[length] = '\0';
    close(fd);
}

/* A node in an OS process of its own, which is ended by SIGALRM if it hangs. */
static void run_to_its_end(void (*first)(void *))
{
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    pid_t pid = fork();
    if (pid == 0) {
        static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
        for (int i = 0; i < 5; i++) /* cmocka's would take the fault for a failed test */
            signal(signals[i], SIG_DFL);
        signal(SIGALRM, SIG_DFL);
        alarm(30);
        dup2(pipes[1], STDERR_FILENO);
        dup2(open("/dev/null", O_WRONLY), STDOUT_FILENO);
        close(pipes[0]);
        _exit(es_run(first, NULL, &(es_options){.schedulers = 2}));
    }
    close(pipes[1]);
    read_all(pipes[0], outcome.said, sizeof outcome.said);
    assert_int_equal(waitpid(pid, &outcome.status, 0), pid);
    char path[512];
    struct stat info;
    snprintf(path, sizeof path, "%s/engset-crash-%d.dump", folder, (int)pid);
    outcome.dump[0] = '\0';
    outcome.has_dump = stat(path, &info) == 0;
    if (outcome.has_dump) {
        outcome.mode = info.st_mode & 07777;
        read_all(open(path, O_RDONLY), outcome.dump, sizeof outcome.dump);
        unlink(path);
    }
}

static void assert_has(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("\"%s\" is missing in:\n%s", part, text);
}

static void assert_node_ended_by(int signo, const char *rule)
{
    if (!WIFSIGNALED(outcome.status) || WTERMSIG(outcome.status) != signo)
        fail_msg("status %x, said %s", (unsigned)outcome.status, outcome.said);
    assert_true(outcome.has_dump);
    assert_int_equal(outcome.mode, 0600);
    assert_has(outcome.dump, rule);
    assert_has(outcome.said, "engset: the node ends: ");
}

static void wait_for_ever(void)
{
    es_sleep(60000);
}

/* Runs the misdeed in a process of its own and waits: until the node ends. */
static void (*misdeed)(void);
static void misdeed_first(void *unused)
{
    (void)unused;
    es_spawn(wait_for_ever);
    es_spawn_opt(ES_WITH(.label = "villain"), misdeed);
    es_sleep(5000);
}

static void end_by(void (*what)(void))
{
    misdeed = what;
    run_to_its_end(misdeed_first);
}

/* ---- in libc ---- */

static void print_a_bad_string(void)
{
    char line[100];
    const char *volatile bad = (const char *)(uintptr_t)1;
    printf("%s\n", bad);
    snprintf(line, sizeof line, "%s", bad);
}

static UNCHECKED void damage_a_size(void)
{
    char *volatile block = malloc(100);
    volatile size_t *size = (volatile size_t *)(uintptr_t)(block - sizeof(size_t));
    *size = 0x4242424242424241;
    free(block);
}

static UNCHECKED void damage_a_free_list(void)
{
    enum { COUNT = 64 };
    char *volatile blocks[COUNT];
    for (int i = 0; i < COUNT; i++)
        blocks[i] = malloc(2000);
    for (int i = 0; i < COUNT; i += 2)
        free(blocks[i]);
    for (int i = 0; i < COUNT; i += 2)
        for (size_t word = 0; word < 4; word++)
            ((volatile uintptr_t *)(uintptr_t)blocks[i])[word] = 0x10;
    for (int i = 0; i < COUNT; i++)
        blocks[i] = malloc(3000 + (size_t)i);
    malloc_trim(0);
    for (int i = 0; i < COUNT; i++)
        blocks[i] = malloc(2000);
}

CASE(a_fault_inside_printf_or_malloc_ends_the_node_at_once, 1, "CRH-05")
{
    if (ESI_ASAN || ESI_TSAN)
        skip_since("the sanitizers' printf and malloc are others");
    end_by(print_a_bad_string);
    assert_node_ended_by(SIGSEGV, "rule: rule 7");
    end_by(damage_a_size);
    assert_node_ended_by(SIGABRT, "rule: rule 3");
    end_by(damage_a_free_list);
    assert_true(WIFSIGNALED(outcome.status) && WTERMSIG(outcome.status) != SIGALRM);
    assert_true(outcome.has_dump);
}

/* ---- in the runtime ---- */

static void send_what_is_no_term(void)
{
    es_send(es_self(), ES_TUPLE(es_self(), (es_term){0x1230}));
}

CASE(a_fault_in_the_runtime_ends_the_node, 1, "CRH-06 CRH-15")
{
    end_by(send_what_is_no_term);
    assert_node_ended_by(SIGSEGV, "rule: rule 2");
    assert_has(outcome.dump, "process: <0.");
    assert_has(outcome.dump, "label villain function 0x");
    assert_has(outcome.dump, "in_runtime: 1\n");
    assert_has(outcome.dump, "frame: 0x");
    assert_has(outcome.dump, "worker: 0\n");
}

/* ---- twice ---- */

static UNCHECKED void read_null(void)
{
    volatile int *volatile nothing = NULL;
    (void)*nothing;
}

static void fault_in_the_handler(void)
{
    esi_fault_test_hook = read_null;
    read_null();
}

CASE(a_fault_while_a_fault_is_handled_ends_the_node, 1, "CRH-07")
{
    if (ESI_TSAN)
        skip_since("ThreadSanitizer lets no second signal in");
    end_by(fault_in_the_handler);
    assert_node_ended_by(SIGSEGV, "rule: rule 2");
}

/* ---- what the dump tells ---- */

ES_ATOMS(storekeeper, colour);

static void keep_a_store(void)
{
    if (es_register(storekeeper, es_self()) != ES_OK)
        return;
    for (int i = 0; i < 8; i++)
        es_send(es_self(), ES_TUPLE(colour, i, "red\033[31m"));
    es_receive {
        es_case(ES_TUPLE(colour, 7, ES_ANY))
            send_what_is_no_term();
    }
}

CASE(a_dump_names_process_and_last_messages, 1, "CRH-15")
{
    end_by(keep_a_store);
    assert_node_ended_by(SIGSEGV, "rule: rule 2");
    assert_has(outcome.dump, "name storekeeper");
    assert_has(outcome.dump, "messages: 7\n");
    assert_has(outcome.dump, "message: {colour,0,<<\"red");
    assert_has(outcome.dump, "message: {colour,4,");
    assert_null(strstr(outcome.dump, "message: {colour,5,"));
    assert_null(strchr(outcome.dump, '\033'));
    assert_true(strlen(outcome.dump) < (1 << 20));
}

/* ---- a thread of the program's own ---- */

static void *run_thread(void *unused)
{
    read_null();
    return unused;
}

static void fault_in_a_thread(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, run_thread, NULL);
    pthread_join(thread, NULL);
}

static void test_a_fault_in_a_thread_that_is_no_process_ends_the_node(void **state)
{
    (void)state;
    end_by(fault_in_a_thread);
    assert_node_ended_by(SIGSEGV, "rule: rule 2");
    assert_has(outcome.dump, "process: none\n");
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
        cmocka_unit_test(a_fault_inside_printf_or_malloc_ends_the_node_at_once),
        cmocka_unit_test(a_fault_in_the_runtime_ends_the_node),
        cmocka_unit_test(a_fault_while_a_fault_is_handled_ends_the_node),
        cmocka_unit_test(a_dump_names_process_and_last_messages),
        cmocka_unit_test(test_a_fault_in_a_thread_that_is_no_process_ends_the_node),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

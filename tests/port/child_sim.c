/* child_sim.c - proves src/port/child_sim.c: child programs of a simulated world. */
#include <engset/child.h>
#include <ctype.h>
#include <signal.h>
#include "streams.h"

ES_ATOMS(result);

/* ---------------------------------------------------------------- some programs */

static int upper(const es_simulated_child *child)
{
    char buffer[64];
    int64_t count;
    while ((count = es_read(child->input, buffer, sizeof buffer, ES_INFINITY)) > 0) {
        for (int64_t i = 0; i < count; i++)
            buffer[i] = (char)toupper((unsigned char)buffer[i]);
        if (es_write(child->output, buffer, (size_t)count, ES_INFINITY) < 0)
            return 1;
    }
    return 0;
}

/* Says its arguments, and what A is; complains; ends with 7. */
static int echo(const es_simulated_child *child)
{
    for (int i = 0; i < child->argument_count; i++)
        es_write(child->output, child->arguments[i], strlen(child->arguments[i]), ES_INFINITY);
    for (const char *const *it = child->environment; *it; it++)
        if (strncmp(*it, "A=", 2) == 0)
            es_write(child->output, *it, strlen(*it), ES_INFINITY);
    es_write(child->error, "!", 1, ES_INFINITY);
    return 7;
}

static int crash(const es_simulated_child *child)
{
    (void)child;
    es_abort();
}

static int stay(const es_simulated_child *child)
{
    (void)child;
    waits();
    return 0;
}

/* Does not want to end. */
static int stubborn(const es_simulated_child *child)
{
    es_trap_exit(true);
    while (child)
        es_receive
            es_case(ES_ANY) {
            }
    return 0;
}

/* Ends in order when it is asked to. */
static int polite(const es_simulated_child *child)
{
    es_trap_exit(true);
    es_write(child->output, "ready", 5, ES_INFINITY);
    return got(ES_TUPLE(es_am_EXIT, ES_ANY, ES_TUPLE(es_am_signal, es_am_sigterm))) ? 3 : 4;
}

static void name_programs(void)
{
    EXPECT(es_simulate_program("/usr/bin/tr", upper) == ES_OK);
    EXPECT(es_simulate_program("echo", echo) == ES_OK);
    EXPECT(es_simulate_program("crash", crash) == ES_OK);
    EXPECT(es_simulate_program("stay", stay) == ES_OK);
    EXPECT(es_simulate_program("stubborn", stubborn) == ES_OK);
    EXPECT(es_simulate_program("polite", polite) == ES_OK);
}

static es_child start(const char *name)
{
    es_child child = {.output = -1};
    name_programs();
    EXPECT(es_child_start(&(es_child_options){.program = name, .output = ES_CHILD_PIPE}, &child) == ES_OK);
    return child;
}

static int status_of(es_child child)
{
    int status = -1;
    EXPECT(es_child_wait(child, in_ms(STORY_PATIENCE_MS), &status) == ES_OK);
    return status;
}

/* ---------------------------------------------------------------- stories */

SIMULATED_STORY(a_child_is_fed_and_read, "")
{
    char text[16] = "";
    es_child child;
    name_programs();
    EXPECT(
        es_child_start(&(es_child_options){.program = "tr", .input = ES_CHILD_PIPE, .output = ES_CHILD_PIPE},
                       &child) == ES_OK);
    EXPECT(es_write(child.input, "hello", 5, ES_INFINITY) == 5);
    EXPECT(es_read_exactly(child.output, text, 5, in_ms(5000)) == 5 && strcmp(text, "HELLO") == 0);
    EXPECT(es_close(child.input) == ES_OK);
    EXPECT(es_read(child.output, text, sizeof text, in_ms(5000)) == 0);
    EXPECT(status_of(child) == 0);
}

SIMULATED_STORY(name_arguments_environment_and_streams_are_as_asked_for, "")
{
    char text[32] = "";
    es_child child;
    int pipe[2];
    name_programs();
    EXPECT(es_pipe(pipe) == ES_OK);
    EXPECT(es_child_start(&(es_child_options){.program = "echo",
                                              .arguments = (const char *const[]){"1", "2", NULL},
                                              .environment = (const char *const[]){"A=b", NULL},
                                              .output = ES_CHILD_FD(pipe[1]),
                                              .error = ES_CHILD_AS_OUTPUT},
                          &child) == ES_OK);
    EXPECT(es_close(pipe[1]) == ES_OK);
    EXPECT(es_read_exactly(pipe[0], text, 10, in_ms(5000)) == 10 && strcmp(text, "echo12A=b!") == 0);
    EXPECT(es_read(pipe[0], text, sizeof text, in_ms(5000)) == 0); /* nobody else has the other end */
    EXPECT(status_of(child) == 7);
}

SIMULATED_STORY(how_it_ended_is_told, "")
{
    EXPECT(status_of(start("crash")) == ES_CHILD_SIGNALED(SIGABRT));
    es_child child = start("stay");
    EXPECT(es_child_wait(child, in_ms(5), NULL) == ES_ETIMEOUT);
    EXPECT(es_child_kill(child, SIGCHLD) == ES_OK);
    EXPECT(es_child_kill(child, SIGINT) == ES_OK);
    EXPECT(status_of(child) == ES_CHILD_SIGNALED(SIGINT));
    EXPECT(es_child_wait(child, 0, NULL) == ES_ENOTFOUND);
    child = start("stubborn");
    EXPECT(es_child_kill(child, SIGKILL) == ES_OK);
    EXPECT(status_of(child) == ES_CHILD_SIGNALED(SIGKILL));
    child = start("polite");
    char text[5];
    EXPECT(es_read_exactly(child.output, text, 5, in_ms(5000)) == 5);
    EXPECT(es_child_stop(child) == ES_OK);
    EXPECT(status_of(child) == 3);
}

SIMULATED_STORY(who_does_not_stop_is_killed_after_its_grace, "")
{
    es_child child = start("stubborn");
    int64_t before_ns = es_now_ns();
    EXPECT(es_child_stop(child) == ES_OK);
    EXPECT(status_of(child) == ES_CHILD_SIGNALED(SIGKILL));
    EXPECT(es_now_ns() - before_ns >= INT64_C(5000000000));
}

SIMULATED_STORY(the_end_comes_as_a_message_if_asked_for, "")
{
    es_child child;
    name_programs();
    EXPECT(es_child_start(
               &(es_child_options){
                   .program = "echo", .output = ES_CHILD_NULL, .error = ES_CHILD_NULL, .exit_message = true},
               &child) == ES_OK);
    EXPECT(got(ES_TUPLE(es_am_child_exit, child.ref, 7)));
    EXPECT(es_child_wait(child, 0, NULL) == ES_ENOTFOUND);
}

SIMULATED_STORY(a_program_that_nobody_named_is_not_found, "")
{
    es_child child;
    int before = descriptors_open();
    name_programs();
    es_child_options options = {.program = "/bin/sh", .output = ES_CHILD_PIPE};
    EXPECT(es_child_start(&options, &child) == ES_ENOTFOUND);
    EXPECT(strstr(es_last_detail(), "'/bin/sh' is no program of the simulated world") != NULL);
    options.program = "echo";
    options.directory = "/no/such";
    EXPECT(es_child_start(&options, &child) == ES_ENOTFOUND);
    EXPECT(es_simulate_program("echo", NULL) == ES_OK);
    options.directory = NULL;
    EXPECT(es_child_start(&options, &child) == ES_ENOTFOUND);
    EXPECT(es_simulate_program("", echo) == ES_EINVAL);
    EXPECT(descriptors_open() == before);
}

static void owns_a_child(es_term argument)
{
    es_pid parent;
    EXPECT(es_match(argument, &parent));
    es_child child;
    EXPECT(es_child_start(&(es_child_options){.program = "stay", .grace_ms = 100}, &child) == ES_OK);
    es_send(parent, result);
    waits();
}

SIMULATED_STORY(a_child_ends_with_its_owner_and_leaves_nothing, "")
{
    int before = descriptors_open();
    int64_t there = es_processes(NULL, 0);
    name_programs();
    es_pid owner = es_spawn(owns_a_child, es_self());
    EXPECT(got(result));
    EXPECT(es_processes(NULL, 0) == there + 3); /* it, its child, and the child's keeper */
    es_send_exit(owner, es_am_kill);
    while (es_processes(NULL, 0) > there)
        es_sleep(1);
    EXPECT(descriptors_open() == before);
}

static void a_little_of_it(void)
{
    for (int i = 0; i < 3; i++) {
        a_child_is_fed_and_read_story();
        how_it_ended_is_told_story();
    }
}

CASE(the_same_seed_gives_the_same_trace_with_children, 20, "")
{
    for (unsigned long seed = 1; seed <= 20; seed++) {
        uint64_t first = story_trace(a_little_of_it, seed);
        assert_true(story_trace(a_little_of_it, seed) == first);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_child_is_fed_and_read),
        cmocka_unit_test(name_arguments_environment_and_streams_are_as_asked_for),
        cmocka_unit_test(how_it_ended_is_told),
        cmocka_unit_test(who_does_not_stop_is_killed_after_its_grace),
        cmocka_unit_test(the_end_comes_as_a_message_if_asked_for),
        cmocka_unit_test(a_program_that_nobody_named_is_not_found),
        cmocka_unit_test(a_child_ends_with_its_owner_and_leaves_nothing),
        cmocka_unit_test(the_same_seed_gives_the_same_trace_with_children),
    };
    return cmocka_run_group_tests_name("port/child_sim", tests, NULL, NULL);
}

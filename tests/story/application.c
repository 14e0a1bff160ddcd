/* application.c - OTP's applications as a user of engset/application.h sees them. */
#include <engset/application.h>
#include <engset/server.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include "story.h"
#include "quiet.h"

ES_ATOMS(boss, up, down, prepared, stopped, phase_one, phase_two, crash, leave, none, r, port, host, base,
         middle, top, rude, w, nobody_home, tree, phase, application_controller);

/* ------------------------------------------------------------ the cast */

typedef struct {
    es_atom name;
} worker;

static void tell(es_atom what, es_atom who)
{
    (void)es_send(boss, ES_TUPLE(what, who));
}

static es_answer worker_init(worker *self, es_term args)
{
    if (!es_get_atom(args, &self->name))
        return es_stop(r);
    es_trap_exit(true);
    tell(up, self->name);
    return es_ok();
}

static es_answer worker_cast(worker *self, es_term message)
{
    es_term reason;
    (void)self;
    if (es_match(message, ES_TUPLE(leave, &reason)))
        return es_stop(reason);
    return es_noreply();
}

static void worker_terminate(worker *self, es_term reason)
{
    (void)reason;
    tell(down, self->name);
}
ES_SERVER(worker_server, worker, .init = worker_init, .cast = worker_cast, .terminate = worker_terminate);

#define TREE(name_)                               \
    ES_SUPERVISOR(                                \
        name_##_sup, .intensity = ES_NO_RESTARTS, \
        ES_CHILDREN({.id = "w", ES_START(worker_server, .name = #name_ "_worker", .args = #name_)}))
TREE(base);
TREE(middle);
TREE(top);

static void prepares(void)
{
    tell(prepared, top);
}

static void has_stopped(void)
{
    tell(stopped, top);
}

static es_err one(void)
{
    tell(phase_one, top);
    return ES_OK;
}

static es_err two(void)
{
    tell(phase_two, top);
    return ES_OK;
}

static es_err fails(void)
{
    return ES_EINVAL;
}

ES_APPLICATION(base, .version = "1.0.0", .supervisor = &base_sup, .env = "#{port => 5060}");
ES_APPLICATION(middle, .version = "1.0.0", .supervisor = &middle_sup, .needs = ES_NEEDS("base"));
ES_APPLICATION(top, .version = "1.0.0", .supervisor = &top_sup, .needs = ES_NEEDS("middle"),
               ES_PHASES({"one", one}, {"two", two}), .prep_stop = prepares, .stop = has_stopped);
ES_APPLICATION(rude, .version = "1.0.0", .supervisor = &top_sup, ES_PHASES({"only", fails}));
ES_APPLICATION(circle_a, .supervisor = &base_sup, .needs = ES_NEEDS("circle_b"));
ES_APPLICATION(circle_b, .supervisor = &base_sup, .needs = ES_NEEDS("circle_a"));
ES_APPLICATION(ill_set, .supervisor = &base_sup, .env = "#{port => }");

static es_err gives_error(es_term args, es_started *out)
{
    (void)args;
    out->info = es_keep(r);
    return ES_ECLOSED;
}

static es_err gives_nobody(es_term args, es_started *out)
{
    (void)args, (void)out;
    return ES_OK;
}

static es_err crashes(es_term args, es_started *out)
{
    (void)args, (void)out;
    es_exit(crash);
}

static es_err never_comes_back(es_term args, es_started *out)
{
    (void)args, (void)out;
    es_sleep(ES_INFINITY);
    return ES_OK;
}
ES_APPLICATION(erring, .start = gives_error);
ES_APPLICATION(empty, .start = gives_nobody);
ES_APPLICATION(crashing, .start = crashes);
ES_APPLICATION(endless, .start = never_comes_back);

static void hangs(es_term args)
{
    (void)args;
    es_trap_exit(true);
    es_init_ack(es_self());
    waits();
}

static es_err start_hanging(es_term args, es_started *out)
{
    es_term answer = es_none();
    es_err error = es_start_function(ES_WITH(.link = true), hangs, args, &answer);
    (void)es_get_pid(answer, &out->pid);
    return error;
}
ES_SUPERVISOR(hanging_sup, ES_CHILDREN({.id = "w", .start = start_hanging, .shutdown_ms = 100}));
ES_APPLICATION(hanging, .supervisor = &hanging_sup);

/* ------------------------------------------------------------ what the story sees */

static void begin(void)
{
    EXPECT(es_register(boss, es_self()) == ES_OK);
}

static bool next_is(es_atom what, es_atom who)
{
    es_atom got_what = {0}, got_who = {0};
    es_receive {
        es_case(ES_TUPLE(&got_what, &got_who)) {
        }
        es_after(STORY_PATIENCE_MS) {
        }
    }
    return es_atom_equal(what, got_what) && es_atom_equal(who, got_who);
}

static es_pid worker_of(const char *name)
{
    char text[64];
    es_atom atom = {0};
    snprintf(text, sizeof text, "%s_worker", name);
    EXPECT(es_atom_make(text, strlen(text), &atom) == ES_OK);
    return es_whereis(atom);
}

STORY(a_need_that_does_not_run_is_an_error_that_names_it, "APP-01")
{
    es_term why = es_none();
    begin();
    EXPECT(es_application_start("middle", ES_START_TEMPORARY, 5000, &why) == ES_ENOTFOUND);
    EXPECT(es_match(why, ES_TUPLE(es_am_not_started, base)) && strstr(es_last_detail(), "base"));
    EXPECT(!es_application_runs("middle") && is_quiet());
}

STORY(what_is_needed_is_started_first, "APP-02 APP-03 APP-09")
{
    es_term started = es_none(), why = es_none();
    begin();
    EXPECT(es_application_start("base", ES_START_TEMPORARY, 5000, NULL) == ES_OK && next_is(up, base));
    EXPECT(es_application_ensure_started("top", ES_START_TEMPORARY, 5000, &started) == ES_OK);
    EXPECT(es_match(started, ES_LIST(middle, top)));
    EXPECT(next_is(up, middle) && next_is(up, top) && next_is(phase_one, top) && next_is(phase_two, top));
    EXPECT(es_application_start("top", ES_START_TEMPORARY, 5000, &why) == ES_EEXIST &&
           es_match(why, ES_TUPLE(es_am_already_started, top)));
    EXPECT(is_quiet());
}

STORY(a_start_that_fails_is_an_error_with_its_reason, "APP-04")
{
    es_term why = es_none();
    begin();
    EXPECT(es_application_start("erring", ES_START_TEMPORARY, 5000, &why) == ES_ECLOSED && es_is(why, r));
    EXPECT(es_application_start("empty", ES_START_TEMPORARY, 5000, &why) == ES_ECLOSED);
    EXPECT(es_application_start("crashing", ES_START_TEMPORARY, 5000, &why) == ES_ECLOSED &&
           es_is(why, crash));
    EXPECT(es_application_start("rude", ES_START_TEMPORARY, 5000, &why) == ES_ECLOSED &&
           es_match(why, ES_TUPLE(phase, ES_ANY, ES_ANY)));
    EXPECT(es_pid_is_none(worker_of("top"))); /* what was up is gone before the error is told */
    EXPECT(next_is(up, top) && next_is(down, top));
    EXPECT(es_application_start("nobody_home", ES_START_TEMPORARY, 5000, &why) == ES_ENOTFOUND);
    EXPECT(!es_application_runs("erring") && !es_application_runs("empty") &&
           !es_application_runs("crashing") && !es_application_runs("rude"));
}

STORY(a_stop_prepares_shuts_down_and_cleans_up, "APP-05")
{
    begin();
    EXPECT(es_application_ensure_started("top", ES_START_TEMPORARY, 5000, NULL) == ES_OK);
    EXPECT(next_is(up, base) && next_is(up, middle) && next_is(up, top) && next_is(phase_one, top) &&
           next_is(phase_two, top));
    EXPECT(es_application_stop("top", 5000) == ES_OK);
    EXPECT(next_is(prepared, top) && next_is(down, top) && next_is(stopped, top));
    EXPECT(es_application_stop("top", 5000) == ES_ENOTFOUND);
    EXPECT(es_application_stop_all(5000) == ES_OK && next_is(down, middle) && next_is(down, base));
}

static int64_t memory_of_me(void)
{
    es_info info = {0};
    EXPECT(es_process_info(es_self(), &info));
    return info.memory_bytes;
}

SIMULATED_STORY(what_is_refused_leaves_nothing_behind, "")
{
    es_term value = es_none();
    int64_t before = 0;
    begin();
    EXPECT(es_application_load("base") == ES_OK);
    for (int i = 0; i < 20; i++) {
        EXPECT(es_application_start("middle", ES_START_TEMPORARY, 5000, NULL) == ES_ENOTFOUND);
        EXPECT(es_application_stop("middle", 5000) == ES_ENOTFOUND);
        EXPECT(es_application_load("base") == ES_EEXIST);
        EXPECT(es_application_env("base", port, &value) == ES_OK &&
               es_application_env("base", host, &value) == ES_ENOTFOUND);
        EXPECT(!es_application_runs("base") && es_application_stop_all(5000) == ES_OK);
        if (i == 1)
            before = memory_of_me();
    }
    EXPECT(memory_of_me() == before);
}

static void ends_with(const char *name, es_term reason)
{
    es_cast(worker_of(name), ES_TUPLE(leave, reason));
}

STORY(the_end_of_a_temporary_application_is_its_own_affair, "APP-06")
{
    begin();
    EXPECT(es_application_start("base", ES_START_TEMPORARY, 5000, NULL) == ES_OK && next_is(up, base));
    ends_with("base", es_from_atom(r));
    EXPECT(next_is(down, base));
    while (es_application_runs("base"))
        es_yield();
    EXPECT(es_application_start("base", ES_START_TEMPORARY, 5000, NULL) == ES_OK && next_is(up, base));
}

STORY(the_end_of_the_controller_stops_all_applications, "")
{
    begin();
    EXPECT(es_application_start("base", ES_START_TEMPORARY, 5000, NULL) == ES_OK && next_is(up, base));
    es_pid before = worker_of("base");
    es_send_exit(es_whereis(application_controller), es_am_kill);
    EXPECT(next_is(down, base));
    wait_for_end(before);
    while (es_application_start("base", ES_START_TEMPORARY, 5000, NULL) !=
           ES_OK) /* its name is free a little later */
        es_yield();
    EXPECT(next_is(up, base));
}

STORY(settings_are_of_the_application, "APP-10 APP-11")
{
    es_term value = es_none();
    begin();
    EXPECT(es_application_env("base", port, &value) == ES_ENOTFOUND);
    EXPECT(es_application_load("base") == ES_OK && es_application_load("base") == ES_EEXIST);
    EXPECT(es_application_env("base", port, &value) == ES_OK && es_match(value, 5060));
    EXPECT(es_application_env("base", host, &value) == ES_ENOTFOUND);
    EXPECT(es_application_set_env("base", port, ES_TUPLE(port, 1)) == ES_OK &&
           es_application_set_env("base", host, none) == ES_OK);
    EXPECT(es_application_env("base", port, &value) == ES_OK && es_match(value, ES_TUPLE(port, 1)));
    EXPECT(es_application_env("base", host, &value) == ES_OK && es_is(value, none));
    EXPECT(es_application_start("base", ES_START_TEMPORARY, 5000, NULL) == ES_OK && next_is(up, base));
    EXPECT(es_application_unload("base") == ES_EEXIST);
    EXPECT(es_application_stop("base", 5000) == ES_OK && es_application_unload("base") == ES_OK);
    EXPECT(es_application_env("base", port, &value) == ES_ENOTFOUND &&
           es_application_unload("base") == ES_ENOTFOUND);
    EXPECT(es_application_load("ill_set") == ES_ESYNTAX && strstr(es_last_detail(), "column"));
}

STORY(a_process_deep_in_the_tree_knows_its_application, "APP-12")
{
    begin();
    EXPECT(es_application_ensure_started("middle", ES_START_TEMPORARY, 5000, NULL) == ES_OK);
    EXPECT(es_atom_equal(es_application_of(worker_of("middle")), middle) &&
           es_atom_equal(es_application_of(worker_of("base")), base));
    EXPECT(es_application_of(es_self()).w == 0);
}

SIMULATED_STORY(a_start_that_never_comes_back_can_be_given_up, "APP-13")
{
    begin();
    EXPECT(es_application_start("endless", ES_START_TEMPORARY, 50, NULL) == ES_ETIMEOUT);
    EXPECT(es_application_start("base", ES_START_TEMPORARY, 50, NULL) == ES_OK && next_is(up, base));
    EXPECT(!es_application_runs("endless"));
}

SIMULATED_STORY(a_child_that_hangs_does_not_hold_up_the_stop, "APP-14")
{
    begin();
    EXPECT(es_application_start("hanging", ES_START_TEMPORARY, 50, NULL) == ES_OK);
    int64_t before = es_processes(NULL, 0), before_ns = es_now_ns();
    EXPECT(es_application_stop("hanging", 5000) == ES_OK && (es_now_ns() - before_ns) / 1000000 <= 110);
    EXPECT(es_processes(NULL, 0) == before - 3); /* master, supervisor, child */
}

STORY(needs_in_a_circle_are_named, "APP-15")
{
    begin();
    EXPECT(es_application_ensure_started("circle_a", ES_START_TEMPORARY, 5000, NULL) == ES_EDEADLK);
    EXPECT(strstr(es_last_detail(), "circle_a needs circle_b needs circle_a"));
}

/* ------------------------------------------------------------ programs that are applications */

static int status_of_program(const es_application *application, void (*meanwhile)(pid_t))
{
    int status = -1;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        alarm(30);
        _exit(es_application_run(application, (es_args){0, NULL}, &(es_options){.schedulers = 2}));
    }
    if (meanwhile)
        meanwhile(pid);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static int pipe_of_program[2];

static es_err leaves_at_once(es_term args, es_started *out)
{
    (void)args;
    out->pid = es_spawn_link(returns);
    return ES_OK;
}

static es_err leaves_badly(es_term args, es_started *out)
{
    (void)args;
    out->pid = es_spawn_link(exits, r);
    return ES_OK;
}

static es_err tells_that_it_is_up(void)
{
    return write(pipe_of_program[1], "u", 1) == 1 ? ES_OK : ES_EOS;
}

static void tells_that_it_stops(void)
{
    (void)!write(pipe_of_program[1], "p", 1);
}

static void tells_that_it_has_stopped(void)
{
    (void)!write(pipe_of_program[1], "s", 1);
}
ES_APPLICATION(brief, .start = leaves_at_once, .type = ES_START_TRANSIENT);
ES_APPLICATION(brief_permanent, .start = leaves_at_once, .type = ES_START_PERMANENT);
ES_APPLICATION(bad_transient, .start = leaves_badly, .type = ES_START_TRANSIENT, .needs = ES_NEEDS("told"));
ES_APPLICATION(told, .supervisor = &base_sup, ES_PHASES({"up", tells_that_it_is_up}),
               .prep_stop = tells_that_it_stops, .stop = tells_that_it_has_stopped);

static void interrupts_when_it_is_up(pid_t pid)
{
    char byte;
    assert_int_equal(read(pipe_of_program[0], &byte, 1), 1);
    kill(pid, SIGTERM);
}

static bool is_said(const char *text)
{
    char said[8] = "";
    close(pipe_of_program[1]);
    (void)!read(pipe_of_program[0], said, sizeof said - 1);
    close(pipe_of_program[0]);
    return strcmp(said, text) == 0;
}

STORY(a_transient_application_may_end_normally, "APP-07")
{
    begin();
    EXPECT(es_application_start("base", ES_START_PERMANENT, 5000, NULL) == ES_OK && next_is(up, base));
    EXPECT(es_application_start("brief", ES_START_TRANSIENT, 5000, NULL) == ES_OK);
    while (es_application_runs("brief"))
        es_yield();
    EXPECT(es_application_runs("base") && is_quiet());
}

CASE(a_program_whose_permanent_application_ends_ends_with_1, 1, "APP-08")
{
    assert_int_equal(pipe(pipe_of_program), 0);
    int status = status_of_program(&brief_permanent_application, NULL);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
    assert_true(is_said(""));
}

CASE(a_program_whose_transient_application_fails_stops_the_others_and_ends_with_1, 1, "APP-07")
{
    assert_int_equal(pipe(pipe_of_program), 0);
    int status = status_of_program(&bad_transient_application, NULL);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
    assert_true(is_said("ups"));
}

static void starts_two(void *unused)
{
    (void)unused;
    es_application_start("told", ES_START_TEMPORARY, 5000, NULL);
    es_application_start("brief_permanent", ES_START_PERMANENT, 5000, NULL);
    waits();
}

CASE(a_permanent_application_takes_the_others_with_it_in_order_in_any_program, 1, "APP-08")
{
    int status = -1;
    assert_int_equal(pipe(pipe_of_program), 0);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        alarm(30);
        _exit(es_run(starts_two, NULL, &(es_options){.schedulers = 2}));
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
    assert_true(is_said("ups"));
}

CASE(a_program_stops_in_order_on_SIGTERM, 1, "APP-16")
{
    assert_int_equal(pipe(pipe_of_program), 0);
    int status = status_of_program(&told_application, interrupts_when_it_is_up);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_true(is_said("ps"));
}

/* Runs it with these arguments, the last NULL: its status, and all that it says on stderr. */
static int refused(char *said, size_t size, char *arguments[])
{
    int status = -1, count = 0, ends[2];
    size_t length = 0;
    while (arguments[count])
        count++;
    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        alarm(30);
        dup2(ends[1], STDERR_FILENO);
        close(ends[1]);
        _exit(es_application_run(&told_application, (es_args){count, arguments},
                                 &(es_options){.schedulers = 2}));
    }
    close(ends[1]);
    for (ssize_t n; length + 1 < size && (n = read(ends[0], said + length, size - 1 - length)) > 0;)
        length += (size_t)n;
    said[length] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void config_is_refused(const char *text, const char *expected)
{
    char said[2000], path[] = "/tmp/engset-config-XXXXXX", whole[300];
    int file = mkstemp(path);
    assert_int_equal(write(file, text, strlen(text)), strlen(text));
    close(file);
    assert_int_equal(refused(said, sizeof said, (char *[]){"told", "--config", path, NULL}), 1);
    unlink(path);
    snprintf(whole, sizeof whole, "engset: %s: %s\n", path, expected);
    assert_string_equal(said, whole);
}

CASE(arguments_that_make_no_sense_are_told_on_stderr, 1, "")
{
    char said[2000];
    assert_int_equal(refused(said, sizeof said, (char *[]){"told", "--set", "nonsense", NULL}), 1);
    assert_string_equal(said, "engset: --set: 'nonsense' is not NAME.KEY=TERM\n");
    assert_int_equal(refused(said, sizeof said, (char *[]){"told", "--set", NULL}), 1);
    assert_string_equal(said, "engset: --set: NAME.KEY=TERM is missing behind it\n");
    assert_int_equal(refused(said, sizeof said, (char *[]){"told", "--config", NULL}), 1);
    assert_string_equal(said, "engset: --config: a file is missing behind it\n");
    assert_int_equal(refused(said, sizeof said, (char *[]){"told", "--config", "/not/there", NULL}), 1);
    assert_non_null(strstr(said, "/not/there cannot be read"));
    config_is_refused("#{told =>\n  #{a => }}",
                      "error[E0701]: term, line 2, column 10: expected a term after atom");
    config_is_refused("[1]", "expected #{Application => #{Key => Value}}, found [1]");
    config_is_refused("#{7 => 1}", "expected an application's name, found 7");
    config_is_refused("#{told => 1}", "expected its settings, #{Key => Value}, found 1");
    config_is_refused("#{told => #{1 => 2}}", "expected a key, which is an atom, found 1");
}

int main(void)
{
    be_quiet();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_need_that_does_not_run_is_an_error_that_names_it),
        cmocka_unit_test(what_is_needed_is_started_first),
        cmocka_unit_test(a_start_that_fails_is_an_error_with_its_reason),
        cmocka_unit_test(a_stop_prepares_shuts_down_and_cleans_up),
        cmocka_unit_test(what_is_refused_leaves_nothing_behind),
        cmocka_unit_test(the_end_of_a_temporary_application_is_its_own_affair),
        cmocka_unit_test(the_end_of_the_controller_stops_all_applications),
        cmocka_unit_test(settings_are_of_the_application),
        cmocka_unit_test(a_process_deep_in_the_tree_knows_its_application),
        cmocka_unit_test(a_start_that_never_comes_back_can_be_given_up),
        cmocka_unit_test(a_child_that_hangs_does_not_hold_up_the_stop),
        cmocka_unit_test(needs_in_a_circle_are_named),
        cmocka_unit_test(a_transient_application_may_end_normally),
        cmocka_unit_test(a_program_whose_permanent_application_ends_ends_with_1),
        cmocka_unit_test(a_program_whose_transient_application_fails_stops_the_others_and_ends_with_1),
        cmocka_unit_test(a_permanent_application_takes_the_others_with_it_in_order_in_any_program),
        cmocka_unit_test(a_program_stops_in_order_on_SIGTERM),
        cmocka_unit_test(arguments_that_make_no_sense_are_told_on_stderr),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

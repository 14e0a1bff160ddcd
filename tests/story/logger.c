/* logger.c - what a program says, where it goes, and what is told of a crash. */
#include <engset.h>
#include <dirent.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include "story.h"
#include "log/outlet.h"
#include "proc/contain/report.h"

ES_ATOMS(crash, quit, secret, late, boss, up, bad_luck, stuck, worker_name, unheard);

/* ------------------------------------------------------------ a place to write to */

static char path[64];
static char content[1 << 16];

static void make_file(void)
{
    snprintf(path, sizeof path, "/tmp/engset-log-XXXXXX");
    int descriptor = mkstemp(path);
    EXPECT(descriptor >= 0);
    close(descriptor);
}

/* All that is written by now. */
static const char *written(void)
{
    EXPECT(es_log_flush(STORY_PATIENCE_MS) == ES_OK);
    int descriptor = open(path, O_RDONLY);
    ssize_t length = read(descriptor, content, sizeof content - 1);
    content[length > 0 ? length : 0] = '\0';
    close(descriptor);
    return content;
}

static bool has(const char *what)
{
    if (strstr(content, what))
        return true;
    print_message("\"%s\" is missing in:\n%s\n", what, content);
    return false;
}

static int times(const char *what)
{
    int count = 0;
    for (const char *at = content; (at = strstr(at, what)); at++)
        count++;
    return count;
}

static void open_file(es_log_level level, es_log_format format)
{
    make_file();
    EXPECT(es_log_add_file("file", level, format, path) == ES_OK);
}

static void close_file(void)
{
    EXPECT(es_log_remove_handler("file") == ES_OK);
    unlink(path);
}

/* Until the file says `what`: reports are written when a supervisor has decided. */
static bool comes(const char *what)
{
    for (int i = 0; i < STORY_PATIENCE_MS && !strstr(written(), what); i++)
        es_sleep(1);
    return has(what);
}

/* ------------------------------------------------------------ saying */

STORY(a_line_says_who_spoke_how_bad_and_what, "")
{
    open_file(ES_LOG_NOTICE, ES_LOG_TEXT);
    EXPECT(es_register(worker_name, es_self()) == ES_OK);
    es_log(ES_LOG_WARNING, "trunk %d is full", 7);
    es_log_with(ES_LOG_ALERT, ES_LOG_FIELDS({"peer", "a b"}, {"port", "5060"}), "lost");
    written();
    EXPECT(has(" WRN worker_name <0.1."));
    EXPECT(has("> trunk 7 is full\n"));
    EXPECT(has(" ALR worker_name "));
    EXPECT(has(" lost peer=\"a b\" port=5060\n"));
    close_file();
}

STORY(what_is_below_the_level_is_not_made, "")
{
    int made = 0;
    open_file(ES_LOG_DEBUG, ES_LOG_TEXT);
    es_log(ES_LOG_INFO, "%d", ++made);
    EXPECT(made == 0 && !es_log_is_on(ES_LOG_INFO));
    EXPECT(es_log_set_level(ES_LOG_DEBUG) == ES_LOG_NOTICE);
    es_log(ES_LOG_DEBUG, "detail %d", ++made);
    EXPECT(es_log_set_level(ES_LOG_NONE) == ES_LOG_DEBUG);
    es_log(ES_LOG_EMERGENCY, "%d", ++made);
    EXPECT(es_log_set_level(ES_LOG_NOTICE) == ES_LOG_NONE);
    EXPECT(made == 1);
    written();
    EXPECT(has("> detail 1\n") && times("\n") == 1);
    close_file();
}

STORY(a_handler_gets_its_level_and_worse, "")
{
    open_file(ES_LOG_ERROR, ES_LOG_TEXT);
    es_log(ES_LOG_WARNING, "not for it");
    es_log(ES_LOG_ERROR, "for it");
    es_log(ES_LOG_CRITICAL, "for it, too");
    written();
    EXPECT(times("\n") == 2 && times("for it") == 2);
    close_file();
}

STORY(a_process_says_things_of_itself_in_each_line, "")
{
    char big[600];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    open_file(ES_LOG_NOTICE, ES_LOG_JSON);
    es_label("line %d", 3);
    EXPECT(es_log_metadata("call", "17") == ES_OK);
    EXPECT(es_log_metadata("peer", "\"x\"") == ES_OK);
    EXPECT(es_log_metadata("", "x") == ES_EINVAL);
    EXPECT(es_log_metadata("big", big) == ES_ELIMIT);
    es_log_with(ES_LOG_NOTICE, ES_LOG_FIELDS({"port", "1"}), "one");
    EXPECT(es_log_metadata("call", "18") == ES_OK);
    EXPECT(es_log_metadata("peer", NULL) == ES_OK);
    EXPECT(es_log_metadata("never", NULL) == ES_OK);
    es_log(ES_LOG_NOTICE, "two");
    written();
    EXPECT(has("\"label\":\"line 3\",\"file\":"));
    EXPECT(has("\"msg\":\"one\",\"port\":\"1\",\"call\":\"17\",\"peer\":\"\\\"x\\\"\"}\n"));
    EXPECT(has("\"msg\":\"two\",\"call\":\"18\"}\n"));
    close_file();
}

static void test_any_thread_may_speak(void **state)
{
    (void)state;
    story_notes.failures = 0;
    open_file(ES_LOG_NOTICE, ES_LOG_TEXT);
    assert_int_equal(es_log_metadata("key", "value"), ES_ENOPROC);
    es_log(ES_LOG_NOTICE, "without a node");
    written();
    assert_non_null(strstr(content, " NTC without a node\n"));
    close_file();
    assert_int_equal(story_notes.failures, 0);
}

static void test_a_message_that_is_too_long_is_cut_and_fields_that_do_not_fit_are_left_out(void **state)
{
    (void)state;
    static char big[10000];
    memset(big, 'm', sizeof big - 1);
    story_notes.failures = 0;
    open_file(ES_LOG_NOTICE, ES_LOG_JSON);
    es_log_with(ES_LOG_NOTICE, ES_LOG_FIELDS({"a", big}, {"b", big}, {"c", big}, {"d", big}, {"e", "short"}),
                "%s", big);
    written();
    assert_true(strlen(content) > 6000 && strlen(content) < 9000);
    assert_string_equal(content + strlen(content) - 3, "\"}\n");
    close_file();
    assert_int_equal(story_notes.failures, 0);
}

/* ------------------------------------------------------------ handlers */

STORY(names_of_handlers_are_unique_and_there_are_eight, "")
{
    char id[16];
    open_file(ES_LOG_NONE, ES_LOG_TEXT);
    EXPECT(es_log_add_descriptor("file", ES_LOG_ERROR, ES_LOG_TEXT, 2) == ES_EEXIST);
    EXPECT(es_log_add_descriptor("", ES_LOG_ERROR, ES_LOG_TEXT, 2) == ES_ELIMIT);
    EXPECT(es_log_add_descriptor("a name of more than 31 characters", ES_LOG_ERROR, ES_LOG_TEXT, 2) ==
           ES_ELIMIT);
    EXPECT(es_log_add_file("other", ES_LOG_ERROR, ES_LOG_TEXT, "/nowhere/at/all") == ES_EOS);
    for (int i = 0; i < 7; i++) {
        snprintf(id, sizeof id, "h%d", i);
        EXPECT(es_log_add_descriptor(id, ES_LOG_NONE, ES_LOG_TEXT, 2) == ES_OK);
    }
    EXPECT(es_log_add_descriptor("ninth", ES_LOG_NONE, ES_LOG_TEXT, 2) == ES_ELIMIT);
    for (int i = 0; i < 7; i++) {
        snprintf(id, sizeof id, "h%d", i);
        EXPECT(es_log_remove_handler(id) == ES_OK);
    }
    EXPECT(es_log_remove_handler("h0") == ES_ENOTFOUND);
    EXPECT(es_log_handler_counts("h0", &(es_log_counts){0}) == ES_ENOTFOUND);
    EXPECT(es_log_flush(-1) == ES_EINVAL);
    close_file();
}

#define TEXT(string) es_bytes((string), strlen(string))

static es_err tells_boss(const es_log_event *event, void *state)
{
    EXPECT(state == content);
    es_log(ES_LOG_ERROR, "what the handler says itself it does not get");
    (void)es_send(boss, ES_TUPLE(up, (int)event->level, TEXT(event->message),
                                 TEXT(event->field_count ? event->fields[0].value : "")));
    return event->level <= ES_LOG_CRITICAL ? ES_EPROTO : ES_OK;
}

STORY(a_function_gets_events_in_a_process_of_its_own, "")
{
    EXPECT(es_register(boss, es_self()) == ES_OK);
    open_file(ES_LOG_ERROR, ES_LOG_TEXT);
    EXPECT(es_log_add_handler("function", ES_LOG_WARNING, tells_boss, content) == ES_OK);
    es_log(ES_LOG_NOTICE, "too low");
    es_log_with(ES_LOG_WARNING, ES_LOG_FIELDS({"k", "v"}), "one");
    EXPECT(got(ES_TUPLE(up, ES_LOG_WARNING, TEXT("one"), TEXT("v"))));
    EXPECT(es_log_flush(STORY_PATIENCE_MS) == ES_OK);
    es_log_counts counts;
    EXPECT(es_log_handler_counts("function", &counts) == ES_OK && counts.handled == 1 && counts.waiting == 0);
    EXPECT(es_log_remove_handler("function") == ES_OK);
    es_log(ES_LOG_WARNING, "nobody hears");
    written();
    EXPECT(times("what the handler says") == 1 && times("removed") == 0);
    EXPECT(is_quiet());
    close_file();
}

STORY(a_handler_that_gives_an_error_is_removed_with_a_line, "")
{
    EXPECT(es_register(boss, es_self()) == ES_OK);
    open_file(ES_LOG_ERROR, ES_LOG_TEXT);
    EXPECT(es_log_add_handler("function", ES_LOG_ERROR, tells_boss, content) == ES_OK);
    es_log(ES_LOG_CRITICAL, "too much for it");
    EXPECT(comes("the log's handler function ended and is removed\n"));
    EXPECT(has("the log's handler function gave "));
    EXPECT(es_log_remove_handler("function") == ES_ENOTFOUND);
    close_file();
}

static es_err faults(const es_log_event *event, void *state)
{
    volatile int *nowhere = state;
    (void)event;
    *nowhere = 1;
    return ES_OK;
}

STORY(a_handler_that_crashes_is_removed_and_nothing_else_stops, "")
{
    open_file(ES_LOG_ERROR, ES_LOG_TEXT);
    EXPECT(es_log_add_handler("function", ES_LOG_ERROR, faults, NULL) == ES_OK);
    es_log(ES_LOG_ERROR, "its end");
    EXPECT(comes("the log's handler function ended and is removed\n"));
    es_log(ES_LOG_ERROR, "others go on");
    written();
    EXPECT(has("its end\n") && has("others go on\n"));
    EXPECT(has("(log function) crashed: {signal,sigsegv"));
    close_file();
}

static void test_a_function_needs_a_node(void **state)
{
    (void)state;
    assert_int_equal(es_log_add_handler("function", ES_LOG_ERROR, faults, NULL), ES_ECLOSED);
    assert_int_equal(es_log_remove_handler("function"), ES_ENOTFOUND);
}

/* ------------------------------------------------------------ the journal */

static int journal_at(char *socket_path, size_t size)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(socket_path, size, "%s.socket", path);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", socket_path);
    int journal = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(journal, (struct sockaddr *)&address, sizeof address), 0);
    return journal;
}

static void test_journald_gets_its_own_protocol(void **state)
{
    (void)state;
    char socket_path[100], got_bytes[4096];
    story_notes.failures = 0;
    make_file();
    assert_int_equal(es_log_add_journal("journal", ES_LOG_INFO, path), ES_EOS);
    int journal = journal_at(socket_path, sizeof socket_path);
    assert_int_equal(es_log_add_journal("journal", ES_LOG_NOTICE, socket_path), ES_OK);
    es_log_with(ES_LOG_WARNING, ES_LOG_FIELDS({"peer address", "host"}, {"two", "a\nb"}), "said");
    ssize_t length = recv(journal, got_bytes, sizeof got_bytes - 1, 0);
    assert_true(length > 0);
    got_bytes[length] = '\0';
    assert_memory_equal(got_bytes,
                        "PRIORITY=4\nSYSLOG_IDENTIFIER=test_story_logger\nMESSAGE=said\nCODE_FILE=",
                        strlen("PRIORITY=4\nSYSLOG_IDENTIFIER=test_story_logger\nMESSAGE=said\nCODE_FILE="));
    assert_non_null(strstr(got_bytes, "\nENGSET_PEER_ADDRESS=host\n"));
    static const char binary[] = "\nENGSET_TWO\n\3\0\0\0\0\0\0\0a\nb\n";
    assert_true(memmem(got_bytes, (size_t)length, binary, sizeof binary - 1) != NULL);
    assert_int_equal(es_log_remove_handler("journal"), ES_OK);
    close(journal);
    unlink(socket_path);
    unlink(path);
}

static void test_it_is_known_whether_stderr_is_the_journals(void **state)
{
    (void)state;
    struct stat at;
    char stream[64];
    assert_int_equal(fstat(STDOUT_FILENO, &at), 0);
    snprintf(stream, sizeof stream, "%llu:%llu", (unsigned long long)at.st_dev,
             (unsigned long long)at.st_ino);
    assert_true(esi_journal_is_behind(STDOUT_FILENO, stream));
    assert_false(esi_journal_is_behind(STDOUT_FILENO, "1:1"));
    assert_false(esi_journal_is_behind(STDOUT_FILENO, "none"));
    assert_false(esi_journal_is_behind(STDOUT_FILENO, NULL));
}

/* ------------------------------------------------------------ a disk that is full */

/* A descriptor that is /dev/full, and later a file. */
CASE(a_full_disk_loses_lines_and_nothing_else, 1, "RES-07")
{
    es_log_counts counts;
    story_notes.failures = 0;
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_true(full >= 0);
    open_file(ES_LOG_NOTICE, ES_LOG_TEXT);
    assert_int_equal(es_log_add_descriptor("full", ES_LOG_NOTICE, ES_LOG_TEXT, full), ES_OK);
    for (int i = 0; i < 3; i++)
        es_log(ES_LOG_NOTICE, "line %d", i);
    written();
    assert_int_equal(times("the log's handler full cannot write: No space left on device"), 1);
    assert_int_equal(times("line "), 3);
    assert_int_equal(es_log_handler_counts("full", &counts), ES_OK);
    assert_true(counts.lost == 3 && counts.handled == 0);
    /* There is room again. */
    char later[80];
    snprintf(later, sizeof later, "%s.later", path);
    int file = open(later, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(dup3(file, full, O_CLOEXEC), full);
    es_log(ES_LOG_NOTICE, "after");
    assert_int_equal(es_log_flush(STORY_PATIENCE_MS), ES_OK);
    memset(content, 0, sizeof content);
    assert_true(pread(file, content, sizeof content - 1, 0) > 0);
    assert_non_null(strstr(content, "3 events before this one could not be written and are lost\n"));
    assert_non_null(strstr(content, "NTC after\n"));
    assert_int_equal(es_log_remove_handler("full"), ES_OK);
    close_file();
    close(file);
    close(full);
    unlink(later);
    assert_int_equal(story_notes.failures, 0);
}

/* ------------------------------------------------------------ one report a crash */

typedef struct {
    int64_t nothing;
} worker;

static _Atomic(bool) is_stuck; /* the next start waits until it is told to go on */

static es_answer worker_init(worker *self, es_term args)
{
    (void)self, (void)args;
    es_label("worker");
    es_log_metadata("call", "17");
    if (atomic_load(&is_stuck)) {
        (void)es_send(boss, ES_TUPLE(stuck, es_self()));
        es_receive
            es_case(go) {
            }
    }
    (void)es_send(boss, ES_TUPLE(up, es_self()));
    return es_ok();
}

static es_answer worker_cast(worker *self, es_term message)
{
    (void)self;
    if (es_is(message, late)) { /* until others wait behind it */
        es_receive
            es_case(go) {
            }
    }
    if (es_is(message, quit))
        es_exit(ES_TUPLE(bad_luck, 7));
    if (es_is(message, secret))
        es_sensitive(true);
    if (es_is(message, crash))
        faults(NULL, NULL);
    return es_noreply();
}

ES_SERVER(worker_server, worker, .init = worker_init, .cast = worker_cast);
ES_SUPERVISOR(one_for_one, .intensity = 3, .period_s = 5,
              ES_CHILDREN({.id = "w", ES_START(worker_server, .name = "worker_name")}));
ES_SUPERVISOR(no_restarts, .intensity = ES_NO_RESTARTS,
              ES_CHILDREN({.id = "w", ES_START(worker_server, .name = "worker_name")}));
ES_SUPERVISOR(temporary, ES_CHILDREN({.id = "w", ES_START(worker_server), .restart = ES_TEMPORARY}));
ES_SUPERVISOR(backs_off,
              ES_CHILDREN({.id = "w", ES_START(worker_server), .backoff = {.first_ms = 200, .max_ms = 200}}));
ES_SUPERVISOR(all, .strategy = ES_ONE_FOR_ALL, .intensity = 2,
              ES_CHILDREN({.id = "w", ES_START(worker_server), .restart = ES_TEMPORARY},
                          {.id = "v", ES_START(worker_server)}));

static es_pid next_up(void)
{
    es_pid pid = ES_NO_PID;
    es_receive {
        es_case(ES_TUPLE(up, &pid)) {
        }
        es_after(STORY_PATIENCE_MS)
            EXPECT(!"nobody comes up");
    }
    return pid;
}

/* Its first child, or that of number `nth`. */
static es_pid family(const es_behaviour *supervisor, int nth, es_pid *out_child)
{
    esi_report_configure();
    es_trap_exit(true);
    (void)!es_register(boss, es_self()); /* it may be already */
    open_file(ES_LOG_NOTICE, ES_LOG_TEXT);
    atomic_store(&is_stuck, false);
    es_pid pid = es_start_link(supervisor, es_am_undefined);
    for (int i = 0; i <= nth; i++)
        *out_child = next_up();
    return pid;
}

static void end_family(es_pid supervisor)
{
    es_send_exit(supervisor, es_am_shutdown);
    wait_for_end(supervisor);
    close_file();
}

/* A report waits for a second until the restart is done: on a machine that stood still meanwhile it was told before. */
static bool says_restarted(const char *after, const char *being)
{
    return has(after) || (!esi_node.is_sim && has(being));
}

STORY(one_report_a_crash_says_who_why_and_what_was_decided, "SYS-10")
{
    es_pid child, supervisor = family(&one_for_one, 0, &child);
    es_cast(child, late);
    es_cast(child, crash);
    es_cast(child, unheard);
    es_cast(child, unheard);
    es_send(child, go);
    next_up();
    EXPECT(comes("decision"));
    EXPECT(times("crashed") == 1 && times("E0101") == 1 && times("ended") == 0);
    EXPECT(has("error[E0101]: process worker_name <0."));
    EXPECT(has("(worker) crashed: {signal,sigsegv,"));
    EXPECT(has("\n  while handling  {'$gen_cast',crash} (2 waiting)\n"));
    EXPECT(has("\n  waiting         {'$gen_cast',unheard}, {'$gen_cast',unheard}\n"));
    EXPECT(has("\n  metadata        call=17\n"));
    EXPECT(has("\n  first call      worker_server_main"));
    EXPECT(has("\n  ancestors       <0.") && has(", boss <0.1."));
    EXPECT(has("\n  told            1 link: <0."));
    EXPECT(says_restarted("\n  decision        one_for_one: restarted after ",
                          "\n  decision        one_for_one: is being restarted (1 of 3 "));
    EXPECT(says_restarted(" ms (1 of 3 restarts within 5 s)\n", " (1 of 3 restarts within 5 s)\n"));
    end_family(supervisor);
}

STORY(who_exits_for_a_reason_of_its_own_is_told_of_in_the_same_way, "SYS-10")
{
    es_pid child, supervisor = family(&no_restarts, 0, &child);
    es_cast(child, quit);
    EXPECT(comes("decision"));
    EXPECT(has("(worker) exited: {bad_luck,7}\n"));
    EXPECT(has("no_restarts: given up: it would be more than 0 restarts within 5 s; the supervisor ends\n"));
    EXPECT(got_exit(supervisor, es_am_shutdown));
    EXPECT(times("E0101") == 1 && times("ended") == 0);
    end_family(supervisor);
}

STORY(what_is_private_is_not_printed, "SYS-10")
{
    es_pid child, supervisor = family(&one_for_one, 0, &child);
    es_cast(child, secret);
    es_cast(child, late);
    es_cast(child, crash);
    es_cast(child, ES_TUPLE(unheard, 1));
    es_send(child, go);
    EXPECT(comes("decision"));
    EXPECT(has("while handling  (private)\n"));
    EXPECT(has("waiting         (private)\n"));
    EXPECT(times("unheard") == 0);
    end_family(supervisor);
}

STORY(the_decision_says_why_a_child_stays_away, "")
{
    es_pid child, supervisor = family(&temporary, 0, &child);
    es_cast(child, crash);
    EXPECT(comes("decision        temporary: is not restarted, as it is temporary\n"));
    end_family(supervisor);
    supervisor = family(&backs_off, 0, &child);
    es_cast(child, crash);
    EXPECT(comes("decision        backs_off: is restarted in 200 ms (try 1 in a row)\n"));
    end_family(supervisor);
    supervisor = family(&all, 1, &child);
    es_cast(child, crash);
    EXPECT(comes("decision        all: "));
    EXPECT(
        says_restarted("all: restarted with all others after ", "all: is being restarted with all others"));
    end_family(supervisor);
}

STORY(a_restart_that_lasts_does_not_keep_the_report, "")
{
    es_pid child, waits_there = ES_NO_PID, supervisor = family(&one_for_one, 0, &child);
    atomic_store(&is_stuck, true);
    es_cast(child, crash);
    es_receive
        es_case(ES_TUPLE(stuck, &waits_there)) {
        }
    for (int i = 0; i < STORY_PATIENCE_MS && !strstr(written(), "decision"); i++) {
        es_sleep(10);
        es_log(ES_LOG_NOTICE,
               "somebody speaks"); /* where there are no threads this is when it is looked at */
    }
    EXPECT(has("decision        one_for_one: is being restarted (1 of 3 restarts within 5 s)\n"));
    es_send(waits_there, go);
    next_up();
    end_family(supervisor);
}

STORY(a_supervisor_that_ends_first_does_not_keep_the_report, "")
{
    es_pid child, waits_there = ES_NO_PID, supervisor = family(&one_for_one, 0, &child);
    es_pid second = ES_NO_PID;
    static const es_child_spec spec = {.id = "second", ES_START(worker_server)};
    EXPECT(es_add_child(supervisor, &spec, &second, NULL) == ES_OK);
    next_up();
    atomic_store(&is_stuck, true);
    es_cast(child, crash); /* the supervisor starts it again, and waits */
    es_receive
        es_case(ES_TUPLE(stuck, &waits_there)) {
        }
    es_cast(second, quit); /* it does not hear of that one */
    wait_for_end(second);
    es_send_exit(supervisor, es_am_kill);
    EXPECT(got_exit(supervisor, es_am_killed));
    EXPECT(comes("exited: {bad_luck,7}"));
    EXPECT(times("E0101") == 2 && times("decision") == 1);
    atomic_store(&is_stuck, false);
    close_file();
}

static void killed_child(void)
{
    es_pid child, supervisor = family(&one_for_one, 0, &child);
    es_send_exit(child, es_am_kill);
    next_up();
    EXPECT(comes(
        "supervisor one_for_one: child w ended: killed; is being restarted (1 of 3 restarts within 5 s)\n"));
    EXPECT(times("E0101") == 0);
    end_family(supervisor);
}

CASE(what_has_no_report_has_a_line, 1, "")
{
    play(killed_child);
}

static void crashes_unreported(void)
{
    es_pid child, supervisor = family(&one_for_one, 0, &child);
    setenv("ES_REPORTS", "0", 1);
    esi_report_configure();
    es_cast(child, quit);
    next_up();
    EXPECT(comes("child w ended: {bad_luck,7}; is being restarted (1 of 3 restarts within 5 s)\n"));
    EXPECT(times("E0101") == 0);
    unsetenv("ES_REPORTS");
    end_family(supervisor);
}

CASE(with_reports_off_a_line_is_left, 1, "")
{
    play(crashes_unreported);
    esi_report_configure();
}

STORY(progress_is_told_to_who_wants_it, "")
{
    es_pid child;
    es_log_set_level(ES_LOG_INFO);
    esi_report_configure();
    es_trap_exit(true);
    EXPECT(es_register(boss, es_self()) == ES_OK);
    open_file(ES_LOG_DEBUG, ES_LOG_TEXT);
    es_pid supervisor = es_start_link(&one_for_one, es_am_undefined);
    child = next_up();
    EXPECT(!es_pid_is_none(child));
    EXPECT(comes(" INF <0."));
    EXPECT(has("supervisor one_for_one: child w started as <0."));
    es_log_set_level(ES_LOG_NOTICE);
    end_family(supervisor);
}

/* ------------------------------------------------------------ one world twice */

static void speaks(void)
{
    open_file(ES_LOG_NOTICE, ES_LOG_JSON);
    es_pid pids[3];
    for (int i = 0; i < 3; i++)
        pids[i] = es_spawn(exits_when_told);
    for (int i = 0; i < 3; i++) {
        es_log_with(ES_LOG_NOTICE, ES_LOG_FIELDS({"k", "v"}), "telling %d", i);
        tell_to_exit(pids[i], es_am_normal);
        es_sleep(7);
    }
    written();
    EXPECT(has("\"ts\":\"2026-01-01T00:00:01."));
    EXPECT(times("telling") == 3);
    for (char *at = content; (at = strstr(at, "<0.1."));
         at++) /* the number of the process grows from world to world */
        memset(at, '-', strcspn(at, ">"));
    close_file();
}

static int threads_now(void)
{
    int count = 0;
    DIR *folder = opendir("/proc/self/task");
    while (folder && readdir(folder))
        count++;
    closedir(folder);
    return count;
}

static void test_in_a_simulated_world_the_same_lines_come_at_the_same_times_without_a_thread(void **state)
{
    (void)state;
    static char first[sizeof content];
    play_simulated(speaks, 1);
    memcpy(first, content, sizeof first);
    int before = threads_now();
    play_simulated(speaks, 1);
    assert_int_equal(threads_now(), before);
    assert_string_equal(first, content);
}

/* ------------------------------------------------------------ the end */

/* What a child of ours writes to stderr, until it ends. */
static void told_by_child(void (*body)(void))
{
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDOUT_FILENO); /* cmocka's farewell */
        (void)es_log_add_descriptor("again", ES_LOG_DEBUG, ES_LOG_TEXT, STDERR_FILENO);
        body();
        _exit(99);
    }
    close(ends[1]);
    size_t length = 0;
    for (ssize_t n; (n = read(ends[0], content + length, sizeof content - 1 - length)) > 0;)
        length += (size_t)n;
    content[length] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(child, NULL, 0), child);
}

static void exits_normally(void)
{
    for (int i = 0; i < 100; i++)
        es_log(ES_LOG_NOTICE, "line %d", i);
    exit(0);
}

static void halts(void)
{
    for (int i = 0; i < 100; i++)
        es_log(ES_LOG_NOTICE, "line %d", i);
    es_halt(0);
}

static void aborts(void)
{
    for (int i = 0; i < 100; i++)
        es_log(ES_LOG_NOTICE, "line %d", i);
    setenv("ES_DUMP", "0", 1);
    (void)es_node_start(NULL);
    *(volatile int *)NULL = 1;
}

static void test_what_was_said_is_written_when_the_program_ends(void **state)
{
    (void)state;
    void (*const ends[])(void) = {exits_normally, halts, aborts};
    for (int i = 0; i < 3; i++) {
        told_by_child(ends[i]);
        assert_int_equal(times("NTC line "), 100);
        assert_non_null(strstr(content, "line 99\n"));
    }
}

int main(void)
{
    es_log_remove_handler("default");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_says_who_spoke_how_bad_and_what),
        cmocka_unit_test(what_is_below_the_level_is_not_made),
        cmocka_unit_test(a_handler_gets_its_level_and_worse),
        cmocka_unit_test(a_process_says_things_of_itself_in_each_line),
        cmocka_unit_test(test_any_thread_may_speak),
        cmocka_unit_test(test_a_message_that_is_too_long_is_cut_and_fields_that_do_not_fit_are_left_out),
        cmocka_unit_test(names_of_handlers_are_unique_and_there_are_eight),
        cmocka_unit_test(a_function_gets_events_in_a_process_of_its_own),
        cmocka_unit_test(a_handler_that_gives_an_error_is_removed_with_a_line),
        cmocka_unit_test(a_handler_that_crashes_is_removed_and_nothing_else_stops),
        cmocka_unit_test(test_a_function_needs_a_node),
        cmocka_unit_test(test_journald_gets_its_own_protocol),
        cmocka_unit_test(test_it_is_known_whether_stderr_is_the_journals),
        cmocka_unit_test(a_full_disk_loses_lines_and_nothing_else),
        cmocka_unit_test(one_report_a_crash_says_who_why_and_what_was_decided),
        cmocka_unit_test(who_exits_for_a_reason_of_its_own_is_told_of_in_the_same_way),
        cmocka_unit_test(what_is_private_is_not_printed),
        cmocka_unit_test(the_decision_says_why_a_child_stays_away),
        cmocka_unit_test(a_restart_that_lasts_does_not_keep_the_report),
        cmocka_unit_test(a_supervisor_that_ends_first_does_not_keep_the_report),
        cmocka_unit_test(what_has_no_report_has_a_line),
        cmocka_unit_test(with_reports_off_a_line_is_left),
        cmocka_unit_test(progress_is_told_to_who_wants_it),
        cmocka_unit_test(test_in_a_simulated_world_the_same_lines_come_at_the_same_times_without_a_thread),
        cmocka_unit_test(test_what_was_said_is_written_when_the_program_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

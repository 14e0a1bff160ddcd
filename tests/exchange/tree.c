/* tests/exchange/tree.c - what the exchange's tree promises: who goes with whom, who comes back, and what he knows then.
 *
 * The whole exchange runs; the telephones are parcels that are given to the router, and a port where nobody answers. */
#include <stdlib.h>
#include <unistd.h>
#include "bugs.h"
#include "exchange.h"
#include "story.h"

ES_ATOMS(port, uas_port, quiet, find, fetch, crash, farewells, keeper, journal, board, registrar, directory,
         router, listener, noted);
ES_ATOM(log_, "log");
ES_ATOM(named_exchange, "exchange");

enum { NOWHERE = 9 };

static char journal_path[] = "/tmp/exchange-tree-XXXXXX";

/* ------------------------------------------------------------ the exchange, and calls in it */

static void open_exchange(void)
{
    EXPECT(truncate(journal_path, 0) == 0);
    EXPECT(es_application_set_env("exchange", port, 0) == ES_OK);
    EXPECT(es_application_set_env("exchange", uas_port, NOWHERE) == ES_OK);
    EXPECT(es_application_set_env("exchange", quiet, true) == ES_OK);
    EXPECT(es_application_set_env("exchange", log_, journal_path) == ES_OK);
    EXPECT(es_application_start("exchange", ES_START_TEMPORARY, ES_INFINITY, NULL) == ES_OK);
}

static void await_members(es_atom group, int64_t count)
{
    while (es_members(group, NULL, 0) != count)
        es_sleep(1);
}

static void close_exchange(void)
{
    es_pid pid;
    while (es_members(exchange_calls, &pid, 1) > 0) {
        es_send_exit(pid, es_am_kill);
        es_sleep(1);
    }
    EXPECT(es_application_stop("exchange", ES_INFINITY) == ES_OK);
}

static parcel *new_parcel(enum sip_method method, const char *call_id)
{
    struct sip_message m = {
        .method = method, .source = {0x7f000001, NOWHERE}, .to.user = "bob", .target.user = "bob"};
    parcel *p = es_new(parcel);
    m.head.reply_to = m.source;
    snprintf(m.head.call_id, sizeof m.head.call_id, "%s", call_id);
    snprintf(m.contact, sizeof m.contact, "sip:bob@127.0.0.1:%u", NOWHERE);
    snprintf(m.contact_at.host, sizeof m.contact_at.host, "127.0.0.1");
    m.contact_at.port = NOWHERE;
    m.expires_s = 3600;
    memcpy(p->message, &m, sizeof m);
    return p;
}

/* A call with both legs, that nobody answers. */
static void begin_call(const char *call_id)
{
    int64_t legs = es_members(exchange_legs, NULL, 0);
    exchange_give(router, new_parcel(SIP_INVITE, call_id));
    await_members(exchange_legs, legs + 2);
}

/* Who has that Call-ID, by the directory. */
static es_pid who_has(const char *call_id)
{
    es_pid pid = ES_NO_PID;
    es_term answer = exchange_ask(directory, ES_TUPLE(find, call_id));
    (void)!es_match(answer, &pid);
    es_drop(answer);
    return pid;
}

static void await_gone(es_pid pid)
{
    es_info info;
    while (es_process_info(pid, &info))
        es_sleep(1);
}

static void kill_and_await(es_pid pid)
{
    es_send_exit(pid, es_am_kill);
    await_gone(pid);
}

/* How many lines of the journal hold `text`. */
static int lines_with(const char *text)
{
    char line[1200];
    int count = 0;
    FILE *file = fopen(journal_path, "r");
    while (file && fgets(line, sizeof line, file))
        count += strstr(line, text) != NULL;
    if (file)
        fclose(file);
    return count;
}

static void await_line(const char *text)
{
    while (lines_with(text) == 0)
        es_sleep(1);
}

/* ------------------------------------------------------------ a call's processes */

REAL_STORY(a_calls_processes_die_together_and_others_do_not_notice, 1, "")
{
    open_exchange();
    begin_call("1@here");
    begin_call("2@here");
    es_pid in = who_has("1@here"), out = who_has("b.1@here"), other = who_has("2@here"), all[2];
    kill_and_await(out);
    await_gone(in);
    await_members(exchange_calls, 1);
    EXPECT(es_members(exchange_calls, all, 2) == 1 && es_is_alive(all[0]));
    EXPECT(es_is_alive(other) && es_pid_equal(who_has("2@here"), other));
    close_exchange();
}

REAL_STORY(a_call_that_crashed_is_told_of_once_and_goodbye_is_said_for_both_legs, 1, "")
{
    es_pid call;
    open_exchange();
    begin_call("1@here");
    EXPECT(es_members(exchange_calls, &call, 1) == 1);
    es_send(call, ES_TUPLE(crash, (int)BUG_ABORT));
    await_line("releasing out b.1@here");
    await_line("begun farewell b.1@here");
    while (lines_with("begun in 1@here") < 2) /* the leg, and the one that refuses in its place */
        es_sleep(1);
    EXPECT(lines_with("crashed call 1@here abort") == 1);
    EXPECT(lines_with("crashed") == 1);
    close_exchange();
}

REAL_STORY(a_partition_takes_its_own_calls_along_and_no_other, 1, "")
{
    char id[24];
    int taken = 0;
    bool is_taken[20];
    es_pid legs[20];
    open_exchange();
    for (int i = 0; i < 20; i++) {
        snprintf(id, sizeof id, "%d@here", i);
        begin_call(id);
        legs[i] = who_has(id);
    }
    es_pid victim = es_partition(&calls_supervisor, "7@here");
    for (int i = 0; i < 20; i++) {
        snprintf(id, sizeof id, "%d@here", i);
        is_taken[i] = es_pid_equal(es_partition(&calls_supervisor, id), victim);
        taken += is_taken[i];
    }
    EXPECT(taken > 0 && taken < 20);
    kill_and_await(victim);
    await_gone(legs[7]);
    await_members(exchange_calls, 20 - taken);
    for (int i = 0; i < 20; i++)
        EXPECT(es_is_alive(legs[i]) != is_taken[i]);
    close_exchange();
}

/* ------------------------------------------------------------ what outlives a crash */

static int64_t bytes_kept(void)
{
    es_bin kept = {0};
    es_term answer = exchange_ask(keeper, ES_TUPLE(fetch, registrar));
    (void)!es_get_bin(answer, &kept);
    int64_t size = (int64_t)kept.size;
    es_drop(answer);
    return size;
}

static bool is_registered(void)
{
    es_bin uri = {0};
    es_term answer = exchange_ask(registrar, ES_TUPLE(find, "bob"));
    bool is_there = es_match(answer, ES_TUPLE(&uri, ES_ANY, ES_ANY)) &&
                    uri.size == strlen("sip:bob@127.0.0.1:9") &&
                    memcmp(uri.data, "sip:bob@127.0.0.1:9", uri.size) == 0;
    es_drop(answer);
    return is_there;
}

/* One may crash and then the other, in any order: what the one had the other has. */
REAL_STORY(the_registrars_table_outlives_the_registrar_and_the_keeper, 1, "")
{
    open_exchange();
    EXPECT(bytes_kept() == 0);
    exchange_give(router, new_parcel(SIP_REGISTER, "r@here"));
    while (bytes_kept() == 0)
        es_sleep(1);
    kill_and_await(es_whereis(registrar));
    EXPECT(is_registered());
    kill_and_await(es_whereis(keeper));
    while (bytes_kept() == 0) /* it asks the registrar, who answers when he comes to it */
        es_sleep(1);
    kill_and_await(es_whereis(registrar));
    EXPECT(is_registered());
    close_exchange();
}

REAL_STORY(the_directory_asks_for_all_that_it_has_forgotten, 1, "")
{
    open_exchange();
    begin_call("1@here");
    es_pid in = who_has("1@here"), out = who_has("b.1@here");
    kill_and_await(es_whereis(directory));
    EXPECT(es_pid_equal(who_has("1@here"), in) && es_pid_equal(who_has("b.1@here"), out));
    es_send_exit(out, es_am_kill);
    await_line("releasing out b.1@here"); /* it has their cards, too */
    close_exchange();
}

static void notes_much(es_pid starter)
{
    char text[32];
    for (int i = 0; i < 300; i++) {
        snprintf(text, sizeof text, "line-%d.", i);
        exchange_note(noted, text);
    }
    es_send(starter, noted);
}

static void notes(es_term starter)
{
    es_pid pid;
    if (es_get_pid(starter, &pid))
        notes_much(pid);
}

REAL_STORY(no_line_is_lost_with_the_journal, 1, "")
{
    char text[32];
    bool is_done = false;
    open_exchange();
    es_spawn(notes, es_lend(es_self()));
    while (!is_done) {
        es_send_exit(es_whereis(journal), es_am_kill);
        es_receive {
            es_case(noted)
                is_done = true;
            es_after(5) {
            }
        }
    }
    for (int i = 0; i < 300; i++) {
        snprintf(text, sizeof text, "line-%d.", i);
        EXPECT(lines_with(text) >= 1);
    }
    close_exchange();
}

/* ------------------------------------------------------------ who comes back */

static es_pid parent_of(es_pid pid)
{
    es_info info;
    return es_process_info(pid, &info) ? info.parent : ES_NO_PID;
}

static void await_another(es_atom name, es_pid than)
{
    es_pid now;
    while (es_pid_is_none(now = es_whereis(name)) || es_pid_equal(now, than))
        es_sleep(1);
}

/* The call that was there is as before, and a new one begins. */
REAL_STORY(whoever_is_killed_comes_back_and_calls_go_on, 1, "")
{
    const es_atom names[] = {keeper, journal, board, registrar, directory, router, listener, farewells};
    char id[24];
    open_exchange();
    begin_call("0@here");
    es_pid in = who_has("0@here");
    for (int i = 0; i < (int)(sizeof names / sizeof *names); i++) {
        es_pid pid = es_whereis(names[i]);
        kill_and_await(pid);
        await_another(names[i], pid);
        snprintf(id, sizeof id, "%d@here", i + 1);
        begin_call(id);
    }
    es_pid pid = es_whereis(listener), front_pid = parent_of(pid);
    kill_and_await(front_pid);
    await_another(listener, pid);
    begin_call("front@here");
    EXPECT(es_is_alive(in) && es_pid_equal(who_has("0@here"), in));
    EXPECT(es_is_alive(es_whereis(named_exchange)));
    close_exchange();
}

int main(void)
{
    int fd = mkstemp(journal_path);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_calls_processes_die_together_and_others_do_not_notice),
        cmocka_unit_test(a_call_that_crashed_is_told_of_once_and_goodbye_is_said_for_both_legs),
        cmocka_unit_test(a_partition_takes_its_own_calls_along_and_no_other),
        cmocka_unit_test(the_registrars_table_outlives_the_registrar_and_the_keeper),
        cmocka_unit_test(the_directory_asks_for_all_that_it_has_forgotten),
        cmocka_unit_test(no_line_is_lost_with_the_journal),
        cmocka_unit_test(whoever_is_killed_comes_back_and_calls_go_on),
    };
    int failed = fd < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
    close(fd);
    unlink(journal_path);
    return failed;
}

/* no_memory.c - proves that each call of the rooms term to port survives that any one allocation fails: it fails as its header says, or ends
 * its caller with system_limit; the node goes on, and nothing is half done. The sanitizers see what leaks; links, monitors,
 * names, aliases and timers have a sweep of their own in tests/link/memory.c. */
#include <engset.h>
#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include "story.h"
#include "base/fail.h"
#include "term/atom.h"

ES_ATOMS(ask, answered, r, a_tag, another, last, a_title);

typedef struct {
    int64_t number;
    char text[100];
} parcel;
ES_STRUCT(parcel, number, text);

/* What is tried, with another process that answers, and whether an allocation failed since. Written by the one process that runs. */
static void (*attempt)(es_pid other);
static int64_t fails_at;
static _Atomic(bool) has_failed;

/* A call may fail when there was no memory, and says so. */
static bool went_well(int64_t result)
{
    if (result >= 0)
        return true;
    atomic_store(&has_failed, has_failed | esi_fail_stop());
    EXPECT(result == ES_ENOMEM || result == ES_EOS || result == ES_ELIMIT);
    EXPECT(has_failed);
    return false;
}

static void answers(void)
{
    es_term from;
    for (;;)
        es_receive {
            es_case_call(from, ask)
                if (es_reply_to(from, ES_TUPLE(answered, ES_LIST(1, 2, 3))) != ES_OK)
                    es_exit(es_am_system_limit); /* who asked hears of that, and need not wait in vain */
            es_case_struct(parcel, in)
                EXPECT(in->number == 7);
            es_case(ES_ANY) {
            }
        }
}

static void tries_once(es_term argument)
{
    es_pid other;
    EXPECT(es_match(argument, &other));
    esi_fail_after((uint64_t)fails_at);
    attempt(other);
    atomic_store(&has_failed, has_failed | esi_fail_stop());
}

static int count_descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    int count = 0;
    while (folder && readdir(folder))
        count++;
    closedir(folder);
    return count;
}

static void end_named(void)
{
    es_pid named = es_whereis(a_title);
    if (es_pid_is_none(named))
        return;
    es_send_exit(named, es_am_kill);
    wait_for_end(named);
}

/* Tries with the first allocation failing, then the second... until none does. */
static void sweep(void)
{
    enum { MOST = 2000 };
    attempt(es_spawn(answers)); /* what is made once for all is there */
    end_named();
    int descriptors = count_descriptors();
    has_failed = true;
    for (fails_at = 1; has_failed && fails_at < MOST; fails_at++) {
        es_ref ref;
        es_term reason;
        has_failed = false;
        es_pid other = es_spawn(answers);
        es_pid p = es_spawn_monitor(&ref, tries_once, es_lend(other));
        es_receive {
            es_case(ES_TUPLE(es_am_DOWN, ref, es_am_process, p, &reason)) {
                atomic_store(&has_failed, has_failed | esi_fail_stop());
                EXPECT(es_is(reason, es_am_normal) || (es_is(reason, es_am_system_limit) && has_failed));
            }
        }
        if (!has_failed || es_is_alive(other)) { /* it may have been the one who found no memory */
            es_term answer = es_call(other, ask, 20000);
            EXPECT(es_match(answer, ES_TUPLE(answered, ES_LIST(1, 2, 3))));
            es_drop(answer);
        }
        es_send_exit(other, es_am_kill);
        wait_for_end(other);
        end_named();
        EXPECT(count_descriptors() == descriptors);
        while (there_is(ES_ANY))
            ;
    }
    EXPECT(fails_at > 2 && fails_at < MOST); /* at least one allocation was seen to fail, and at last none */
}

/* ---------------------------------------------------------------- proc */

static void spawns(es_pid other)
{
    es_pid plain = es_spawn(exits, ES_TUPLE(r, ES_LIST(1, 2, ES_TUPLE(3, "four"))));
    es_pid named = es_spawn_opt(ES_WITH(.name = "a_title", .label = "waits", .message_limit = 5), waits);
    (void)other;
    if (es_pid_is_none(plain) || es_pid_is_none(named))
        EXPECT(es_last_error() == ES_ENOMEM || es_last_error() == ES_ELIMIT);
    if (es_pid_is_none(named))
        EXPECT(es_pid_is_none(es_whereis(a_title)));
}

static void sends(es_pid other)
{
    char text[3000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    went_well(es_send(other, ES_TUPLE(r, ES_LIST(1, 2, 3), ES_MAP(a_tag, text), 4.5)));
    went_well(es_send(es_self(), ES_TUPLE(r, text)));
    went_well(es_send_wait(other, ES_TUPLE(r, text), 1000));
    es_send_after(1, other, ES_TUPLE(r, text));
}

static void calls(es_pid other)
{
    es_term answer = es_none();
    es_err error = es_try_call(other, ask, 20000, &answer);
    if (went_well(error == ES_ECLOSED || error == ES_ETIMEOUT ? ES_ENOMEM
                                                              : error)) /* who was to answer had no memory */
        EXPECT(es_match(answer, ES_TUPLE(answered, ES_LIST(1, 2, 3))));
    es_drop(answer);
}

static void keeps_memory(es_pid other)
{
    es_free(es_alloc(5000));
    es_term kept = es_keep(ES_TUPLE(r, ES_LIST(1, 2, 3)));
    es_drop(kept);
    parcel *p = es_new(parcel);
    p->number = 7;
    went_well(es_give(other, p));
}

static int destroyed;

static void destroys(void *resource)
{
    (void)resource;
    destroyed++;
}

static void owns(es_pid other)
{
    static int resource;
    (void)other;
    destroyed = 0;
    if (went_well(es_own(&resource, destroys)))
        EXPECT(es_disown(&resource) == ES_OK);
    EXPECT(destroyed == 0);
    es_defer(destroys, NULL);
    es_label("a label of process %d", 7);
}

/* Behind more messages than are looked at one by one. */
static void receives_selectively(es_pid other)
{
    (void)other;
    for (int i = 0; i < 200; i++)
        if (!went_well(es_send(es_self(), ES_TUPLE(another, i))))
            return;
    if (!went_well(es_send(es_self(), last)))
        return;
    EXPECT(there_is(last));
    for (int i = 0; i < 200; i++)
        EXPECT(there_is(ES_TUPLE(another, i)));
}

static void goes_deep(void *worked_here)
{
    *(bool *)worked_here = true;
}

static void stands_elsewhere(es_pid other)
{
    bool was_there = false;
    (void)other;
    if (went_well(es_on_big_stack(1 << 20, goes_deep, &was_there)))
        EXPECT(was_there);
    if (went_well(es_send(es_self(), last)))
        es_hibernate();
}

static void looks_after_others(es_pid other)
{
    es_info info;
    es_pid all[4];
    if (went_well(es_suspend(other)))
        EXPECT(es_resume(other) == ES_OK || has_failed || esi_fail_stop());
    if (!es_process_info(other, &info))
        atomic_store(&has_failed, has_failed | esi_fail_stop());
    EXPECT(es_processes(all, 4) > 0);
    went_well(es_set_group_leader(es_self(), other));
}

static es_mutex shared = ES_MUTEX_INIT;

static void locks(es_pid other)
{
    (void)other;
    if (went_well(es_mutex_lock(&shared)))
        EXPECT(es_mutex_unlock(&shared) == ES_OK);
}

/* ---------------------------------------------------------------- term */

static void decodes(es_pid other)
{
    char text[8000];
    int length = 0;
    (void)other;
    for (int i = 0; i < 200; i++)
        length += snprintf(text + length, sizeof text - (size_t)length, "{r,[%d,#{a => <<\"b\">>}],", i);
    length +=
        snprintf(text + length, sizeof text - (size_t)length, "-1234567890123456789012345678901234567890");
    for (int i = 0; i < 200; i++)
        text[length++] = '}';
    text[length] = 0;
    es_term term, again;
    if (!went_well(es_parse_term(text, &term)))
        return;
    char *printed = es_alloc(30000);
    if (es_print(printed, 30000, term) > 0 && went_well(es_parse_term(printed, &again))) {
        if (!es_equal(term, again))
            EXPECT(has_failed || esi_fail_stop());
        es_drop(again);
    }
    es_drop(term);
    es_free(printed);
}

static void shares(es_pid other)
{
    char bytes[500] = "shared";
    es_shared_bin bin;
    if (!went_well(es_shared_bin_make(bytes, sizeof bytes, &bin)))
        return;
    went_well(es_send(other, ES_TUPLE(r, bin)));
    es_shared_bin_release(bin);
}

static void names_atoms(es_pid other)
{
    static int count;
    (void)other;
    for (int i = 0; i < 200; i++) {
        char name[250];
        es_atom atom, found;
        memset(name, 'a', sizeof name);
        int length = snprintf(name, sizeof name, "atom %d", count++);
        name[length] = 'a';
        if (went_well(es_atom_make(name, sizeof name, &atom)))
            EXPECT(es_atom_find(name, sizeof name, &found) == ES_OK && found.w == atom.w);
        else
            EXPECT(es_atom_find(name, sizeof name, &found) == ES_ENOTFOUND);
    }
}

/* ---------------------------------------------------------------- port */

static int64_t soon(void)
{
    return es_now_ns() + INT64_C(20000000000);
}

static void doubles(void *block)
{
    *(int *)block *= 2;
}

static void blocks(es_pid other)
{
    int block = 4;
    es_address found[4];
    (void)other;
    if (went_well(es_blocking(doubles, &block, sizeof block, soon())))
        EXPECT(block == 8);
    went_well(es_resolve("127.0.0.1", "80", found, 4, soon()));
}

static void pipes_packets(es_pid other)
{
    int fds[2];
    char buffer[100];
    (void)other;
    if (!went_well(es_pipe(fds)))
        return;
    if (went_well(es_packet(fds[0], ES_PACKET_2, 1000)) && went_well(es_packet(fds[1], ES_PACKET_2, 1000)) &&
        went_well(es_write_packet(fds[1], "hello", 5, soon())) &&
        went_well(es_read_packet(fds[0], buffer, sizeof buffer, soon())))
        EXPECT(memcmp(buffer, "hello", 5) == 0);
    if (went_well(es_active(fds[0], 1)) && went_well(es_write_packet(fds[1], "again", 5, soon())))
        es_receive {
            es_case(ES_ANY) {
            }
            es_after(has_failed || esi_fail_stop() ? 0 : STORY_PATIENCE_MS)
                atomic_store(&has_failed, true);
        }
    went_well(es_fd_give(fds[1], other));
}

static void listens_and_connects(es_pid other)
{
    es_address any, at;
    (void)other;
    EXPECT(es_address_parse("127.0.0.1:0", &any) == ES_OK);
    int64_t listener = es_listen(&any, NULL);
    if (!went_well(listener) || !went_well(es_local_address((int)listener, &at)))
        return;
    int64_t there = es_connect(&at, soon());
    if (!went_well(there))
        return;
    int64_t here = es_accept((int)listener, NULL, soon());
    char buffer[4];
    if (went_well(here) && went_well(es_write((int)there, "pong", 4, soon())) &&
        went_well(es_read_exactly((int)here, buffer, 4, soon())))
        EXPECT(memcmp(buffer, "pong", 4) == 0);
    int64_t udp = es_udp_open(&any);
    if (went_well(udp) && went_well(es_udp_local((int)udp, &at)) &&
        went_well(es_sendto((int)udp, "ping", 4, &at, soon())))
        went_well(es_recvfrom((int)udp, buffer, 4, NULL, soon()));
}

static void uses_files(es_pid other)
{
    char path[] = "/tmp/engset-no-memory-XXXXXX";
    (void)other;
    int fd = mkstemp(path);
    close(fd);
    es_term all;
    if (went_well(es_file_write_all(path, ((es_bin){(const uint8_t *)"some bytes", 10}))) &&
        went_well(es_file_read_all(path, &all)))
        es_drop(all);
    es_file_info info;
    went_well(es_file_stat(path, &info));
    int64_t opened = es_file_open(path, 0, 0);
    char buffer[4];
    if (went_well(opened))
        went_well(es_file_read((int)opened, buffer, 4));
    unlink(path);
}

static void starts_children(es_pid other)
{
    const char *arguments[] = {"0", NULL};
    es_child child;
    int status;
    (void)other;
    es_child_options options = {.program = "sleep", .arguments = arguments};
    if (went_well(es_child_start(&options, &child)))
        went_well(es_child_wait(child, soon(), &status));
}

/* ---------------------------------------------------------------- the node, and who is no process */

static void starts_a_node(void **state)
{
    (void)state;
    bool failed = true;
    assert_int_equal(es_node_start(&(es_options){.schedulers = 2}), ES_OK);
    assert_int_equal(es_node_stop(ES_INFINITY), ES_OK);
    int descriptors = count_descriptors();
    for (uint64_t n = 1; failed && n < 2000; n++) {
        esi_fail_after(n);
        es_err error = es_node_start(&(es_options){.schedulers = 2});
        failed = esi_fail_stop();
        assert_true(error == ES_OK || ((error == ES_ENOMEM || error == ES_ELIMIT) && failed));
        if (error == ES_OK)
            assert_int_equal(es_node_stop(ES_INFINITY), ES_OK);
        assert_int_equal(count_descriptors(), descriptors);
    }
    assert_false(failed);
}

static void asks_from_outside(void **state)
{
    (void)state;
    bool failed = true;
    assert_int_equal(es_node_start(&(es_options){.schedulers = 1}), ES_OK);
    for (uint64_t n = 1; failed && n < 2000; n++) {
        es_pid server = es_spawn(answers);
        assert_false(es_pid_is_none(server));
        esi_fail_after(n);
        es_term answer = es_none(), reason = es_none();
        es_err error = es_try_call(server, ask, 20000, &answer);
        es_err sent = es_send(server, ES_TUPLE(r, ES_LIST(1, 2, 3)));
        es_pid other = es_spawn(exits, ES_TUPLE(r, 5));
        es_err waited = es_pid_is_none(other) ? ES_ENOMEM : es_wait_process(other, soon(), &reason);
        failed = esi_fail_stop();
        assert_true(failed || (error == ES_OK && sent == ES_OK));
        assert_true(failed || waited == ES_OK || waited == ES_ENOPROC); /* it had ended before */
        es_drop(answer);
        es_drop(reason);
        es_send_exit(server, es_am_kill);
        error = es_wait_process(server, soon(), NULL);
        assert_true(error == ES_OK || error == ES_ENOPROC);
    }
    assert_false(failed);
    assert_int_equal(es_node_stop(ES_INFINITY), ES_OK);
}

/* ---------------------------------------------------------------- the end of who is asked */

static void play_simulated_once(void (*body)(void))
{
    play_simulated(body, 1);
}

static void play_on_one(void (*body)(void))
{
    story_begin(body);
    story_check(es_run(story_first, NULL, &(es_options){.schedulers = 1}), "real node", 0);
}

enum { CALLERS = 3 };
static _Atomic(int) told_callers;

static bool never(void)
{
    return true;
}

/* Has all calls in hand when the memory goes, and ends without an answer. */
static void ends_without_memory(es_term reason)
{
    es_term kept = es_keep(reason), from;
    for (int i = 0; i < CALLERS; i++)
        es_receive {
            es_case_call(from, ask) {
            }
        }
    esi_fail_by(never);
    es_exit(kept);
}

static void calls_in_vain(es_term argument)
{
    es_pid server;
    es_term answer = es_none();
    EXPECT(es_match(argument, &server));
    EXPECT(es_try_call(server, ask, ES_INFINITY, &answer) == ES_ECLOSED);
    bool is_limit = es_is(answer, es_am_system_limit);
    if (CALLERS == atomic_fetch_add(&told_callers, 1) + 1)
        esi_fail_by(NULL);
    EXPECT(is_limit);
}

static void end_of_who_is_asked(es_term reason)
{
    es_pid server = es_spawn(ends_without_memory, reason);
    es_ref refs[CALLERS]; /* made while there is memory for it */
    atomic_store(&told_callers, 0);
    for (int i = 0; i < CALLERS; i++)
        es_spawn_monitor(&refs[i], calls_in_vain, es_lend(server));
    for (int i = 0; i < CALLERS; i++)
        es_receive {
            es_case(ES_TUPLE(es_am_DOWN, refs[i], ES_ANY, ES_ANY, es_am_normal)) {
            }
        }
    EXPECT(atomic_load(&told_callers) == CALLERS);
}

static void servers_end_without_memory(void)
{
    end_of_who_is_asked(es_lend(ES_TUPLE(r, "why")));
    end_of_who_is_asked(es_from_atom(r));
}

CASE(who_is_asked_and_ends_without_memory_is_still_missed, 1, "RES-01")
{
    play_simulated(servers_end_without_memory, 20);
    play_on_one(servers_end_without_memory);
}

/* ---------------------------------------------------------------- */

#define SWEEP(what, player)                                  \
    CASE(what##_survives_any_failed_allocation, 1, "RES-01") \
    {                                                        \
        attempt = what;                                      \
        player(sweep);                                       \
    }
SWEEP(spawns, play_simulated_once)
SWEEP(sends, play_simulated_once)
SWEEP(calls, play_simulated_once)
SWEEP(keeps_memory, play_simulated_once)
SWEEP(owns, play_simulated_once)
SWEEP(receives_selectively, play_simulated_once)
SWEEP(stands_elsewhere, play_simulated_once)
SWEEP(looks_after_others, play_simulated_once)
SWEEP(locks, play_simulated_once)
SWEEP(decodes, play_simulated_once)
SWEEP(shares, play_simulated_once)
SWEEP(names_atoms, play_simulated_once)
SWEEP(blocks, play_on_one)
SWEEP(pipes_packets, play_on_one)
SWEEP(listens_and_connects, play_on_one)
SWEEP(uses_files, play_on_one)
SWEEP(starts_children, play_on_one)

CASE(a_node_that_finds_no_memory_does_not_start, 1, "RES-01")
{
    starts_a_node(state);
}

CASE(a_thread_that_finds_no_memory_is_told, 1, "RES-01")
{
    asks_from_outside(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spawns_survives_any_failed_allocation),
        cmocka_unit_test(sends_survives_any_failed_allocation),
        cmocka_unit_test(calls_survives_any_failed_allocation),
        cmocka_unit_test(keeps_memory_survives_any_failed_allocation),
        cmocka_unit_test(owns_survives_any_failed_allocation),
        cmocka_unit_test(receives_selectively_survives_any_failed_allocation),
        cmocka_unit_test(stands_elsewhere_survives_any_failed_allocation),
        cmocka_unit_test(looks_after_others_survives_any_failed_allocation),
        cmocka_unit_test(locks_survives_any_failed_allocation),
        cmocka_unit_test(decodes_survives_any_failed_allocation),
        cmocka_unit_test(shares_survives_any_failed_allocation),
        cmocka_unit_test(names_atoms_survives_any_failed_allocation),
        cmocka_unit_test(blocks_survives_any_failed_allocation),
        cmocka_unit_test(pipes_packets_survives_any_failed_allocation),
        cmocka_unit_test(listens_and_connects_survives_any_failed_allocation),
        cmocka_unit_test(uses_files_survives_any_failed_allocation),
        cmocka_unit_test(starts_children_survives_any_failed_allocation),
        cmocka_unit_test(who_is_asked_and_ends_without_memory_is_still_missed),
        cmocka_unit_test(a_node_that_finds_no_memory_does_not_start),
        cmocka_unit_test(a_thread_that_finds_no_memory_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

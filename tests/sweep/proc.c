/* proc.c - the sweep over engset/proc.h, engset/receive.h, engset/struct.h and engset/mark.h, but for the node itself (node.c). */
#include "sweep.h"
#include <poll.h>
#include <unistd.h>

ES_ATOMS(r, a_name, another, last, hold, told);
ES_ATOM(a_parcel, "parcel");

typedef struct {
    int64_t number;
    char text[100];
} parcel;
ES_STRUCT(parcel, number, text);

/* A message of some size. */
#define LETTER ES_TUPLE(r, ES_LIST(1, 2, 3), "a text of more than a few bytes, which lies in the message")

/* ---------------------------------------------------------------- spawn */

SWEEP(esi_spawn, 0)
{
    es_ref ref;
    es_trap_exit(true);
    es_pid p = TRY(es_spawn_opt(
        ES_WITH(.link = true, .monitor = &ref, .name = "a_name", .label = "waits", .message_limit = 5), exits,
        ES_TUPLE(r, ES_LIST(1, 2, ES_TUPLE(3, "four")))));
    if (!got_pid(p)) {
        EXPECT(es_pid_is_none(es_whereis(a_name)) && links_of(es_self()) == 0 && is_quiet());
        p = es_spawn_opt(ES_WITH(.monitor = &ref, .name = "a_name"), exits, r);
        EXPECT(!es_pid_is_none(p));
    }
    EXPECT(got(ES_TUPLE(es_am_DOWN, ref, ES_ANY, p, ES_ANY)));
}

SWEEP(es_last_error, TAKES_NOTHING)
{
    es_fail(ES_EFULL, "full");
    EXPECT(TRY(es_last_error()) == ES_EFULL);
}

SWEEP(es_last_detail, TAKES_NOTHING)
{
    es_fail(ES_EFULL, "full of %d", 7);
    EXPECT(strcmp(TRY(es_last_detail()), "full of 7") == 0);
}

SWEEP(es_fail, 0)
{
    EXPECT(TRY(es_fail(ES_EFULL, "full of %d", 7)) == ES_EFULL);
    if (had_memory())
        EXPECT(es_last_error() == ES_EFULL && strcmp(es_last_detail(), "full of 7") == 0);
    EXPECT(es_fail(ES_EFULL, "full of %d", 8) == ES_EFULL && strcmp(es_last_detail(), "full of 8") == 0);
}

SWEEP(es_self, TAKES_NOTHING)
{
    EXPECT(!es_pid_is_none(TRY(es_self())));
}

SWEEP(es_errno, TAKES_NOTHING)
{
    EXPECT(TRY(es_errno()) != NULL);
}

SWEEP(es_pthread_self, TAKES_NOTHING)
{
    EXPECT(TRY(es_pthread_self()) != 0);
}

SWEEP(es_uselocale, 0)
{
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    locale_t before = TRY(es_uselocale(plain));
    if (before == (locale_t)0)
        EXPECT(!had_memory() && errno == ENOMEM);
    EXPECT(es_uselocale(plain) != (locale_t)0);
    EXPECT(es_uselocale(LC_GLOBAL_LOCALE) == plain);
    freelocale(plain);
}

/* Of the two functions for a mask of signals. */
static void masks(int (*set_mask)(int, const sigset_t *, sigset_t *))
{
    sigset_t set, now;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    int result = TRY(set_mask(SIG_BLOCK, &set, NULL));
    if (result != 0)
        EXPECT(!had_memory() && (result == ENOMEM || errno == ENOMEM));
    EXPECT(set_mask(SIG_BLOCK, &set, NULL) == 0);
    EXPECT(set_mask(SIG_UNBLOCK, &set, &now) == 0 && sigismember(&now, SIGUSR2));
}

SWEEP(es_pthread_sigmask, 0)
{
    masks(es_pthread_sigmask);
}

SWEEP(es_sigprocmask, 0)
{
    masks(es_sigprocmask);
}

/* ---------------------------------------------------------------- send */

/* Sends to this process: when it says that it went well, it is there, else it is not. */
#define SENDS(function, to)                                                 \
    SWEEP(function, 0)                                                      \
    {                                                                       \
        EXPECT(es_register(a_name, es_self()) == ES_OK);                    \
        es_ref alias = es_alias(ES_ALIAS_EXPLICIT_UNALIAS);                 \
        (void)alias;                                                        \
        es_literal letter = LETTER;                                         \
        es_err error = TRY(function(to, es_lend(letter)));                  \
        EXPECT(there_is(LETTER) == went_well(error));                       \
        EXPECT(function(to, es_lend(letter)) == ES_OK && there_is(LETTER)); \
    }
SENDS(esi_send_pid, es_self())
SENDS(esi_send_name, a_name)
SENDS(esi_send_at, ES_AT(a_name, es_am_nonode_nohost))
SENDS(esi_send_ref, alias)
SENDS(esi_send_term, es_from_atom(a_name))

static void takes_two_and_ends(es_term argument)
{
    (void)argument;
    EXPECT(got(hold));
    for (int i = 0; i < 2; i++)
        EXPECT(got(LETTER));
}

SWEEP(esi_send_wait, 0)
{
    es_pid full = es_spawn_opt(ES_WITH(.message_limit = 3), takes_two_and_ends, 0);
    es_ref ref = es_monitor(full);
    settled(full);
    EXPECT(es_send(full, another) == ES_OK && es_send(full, another) == ES_OK &&
           es_send(full, hold) == ES_OK);
    es_err error = TRY(es_send_wait(full, LETTER, 1000));
    went_well(error);
    EXPECT(es_send_wait(full, LETTER, 1000) == ES_OK || error == ES_OK);
    EXPECT(es_send_wait(full, LETTER, 1000) != ES_ENOMEM);
    es_send_exit(full, es_am_kill);
    EXPECT(got(ES_TUPLE(es_am_DOWN, ref, ES_ANY, ES_ANY, ES_ANY)));
}

/* ---------------------------------------------------------------- call */

/* Calls a process that answers; who finds no memory may be either of them, and then it is the other that tells. */
SWEEP(esi_call, MAY_END)
{
    es_pid server = settled(es_spawn(sweep_answers));
    es_term answer = TRY(es_call(server, ask, 20000));
    EXPECT(es_match(answer, ES_TUPLE(answered, ES_LIST(1, 2, 3))));
    es_drop(answer);
}

SWEEP(esi_try_call, 0)
{
    es_term answer = es_none();
    es_pid server = settled(es_spawn(sweep_answers));
    es_err error = TRY(es_try_call(server, ask, 20000, &answer));
    if (error == ES_OK)
        EXPECT(es_match(answer, ES_TUPLE(answered, ES_LIST(1, 2, 3))));
    else
        EXPECT(!had_memory() && (error == ES_ENOMEM || error == ES_ECLOSED));
    es_drop(answer);
    EXPECT(es_try_call(other, ask, 20000, &answer) == ES_OK);
    es_drop(answer);
}

static void asks_and_tells(es_term argument)
{
    es_pid server;
    es_term answer;
    EXPECT(es_match(argument, &server));
    es_err error = es_try_call(server, ask, 20000, &answer);
    EXPECT(error == ES_OK && es_match(answer, LETTER));
    es_send(server, told);
}

SWEEP(esi_reply_to, 0)
{
    es_term from;
    es_spawn(asks_and_tells, es_self());
    es_receive {
        es_case_call(from, ask) {
            es_err error = TRY(es_reply_to(from, LETTER));
            if (!went_well(error))
                EXPECT(es_reply_to(from, LETTER) == ES_OK);
        }
    }
    EXPECT(got(told));
}

/* ---------------------------------------------------------------- exit */

SWEEP(esi_exit, ENDS_ITSELF)
{
    TRY_VOID(es_exit(LETTER));
}

SWEEP(es_abort, ENDS_ITSELF)
{
    TRY_VOID(es_abort());
}

SWEEP(esi_assert_failed, ENDS_ITSELF)
{
    TRY_VOID(esi_assert_failed("1 == 2", "proc.c", 7, "sweep"));
}

SWEEP(esi_send_exit, 0)
{
    es_ref ref;
    es_pid p = es_spawn_monitor(&ref, waits);
    if (!went_well(TRY(es_send_exit(p, LETTER))))
        EXPECT(es_send_exit(p, LETTER) == ES_OK);
    es_term reason = es_none();
    EXPECT(got(ES_TUPLE(es_am_DOWN, ref, ES_ANY, p, ES_ANY)));
    (void)reason;
}

SWEEP(es_trap_exit, TAKES_NOTHING)
{
    EXPECT(!TRY(es_trap_exit(true)));
}

/* ---------------------------------------------------------------- react */

static es_next stops(void *state, es_term message)
{
    (void)state;
    if (es_is(message, another))
        sweep_disarm();
    return es_is(message, last) ? ES_STOP : ES_CONTINUE;
}

/* Its messages come when it has given its stack back. */
SWEEP(es_react, MAY_END | AT_TIMES)
{
    es_send_after(5, es_self(), another);
    es_send_after(6, es_self(), LETTER);
    es_send_after(7, es_self(), last);
    TRY_VOID(es_react(stops, NULL));
}

static int64_t number_seen;

static es_next takes_a_struct(void *state, es_term message)
{
    (void)state;
    parcel *in = TRY(es_struct_of(parcel, message));
    EXPECT(in && in->number == 7);
    number_seen = in ? in->number : 0;
    return ES_STOP;
}

SWEEP(esi_struct_of, MAY_END)
{
    es_send(es_self(), ES_TUPLE(a_parcel, 7, "a text"));
    es_react(takes_a_struct, NULL);
}

/* ---------------------------------------------------------------- memory */

SWEEP(esi_new, MAY_END)
{
    parcel *p = TRY(es_new(parcel));
    EXPECT(p->number == 0);
    es_free(p);
}

SWEEP(es_alloc, MAY_END)
{
    char *bytes = TRY((char *)es_alloc(5000));
    EXPECT(bytes[4999] == 0);
    es_free(bytes);
}

SWEEP(es_free, TAKES_NOTHING)
{
    char *bytes = es_alloc(5000);
    TRY_VOID(es_free(bytes));
}

SWEEP(es_give, TAKES_NOTHING)
{
    parcel *p = es_new(parcel);
    went_well(TRY(es_give(other, p)));
    p = es_new(parcel);
    EXPECT(es_give(other, p) == ES_OK);
}

SWEEP(esi_keep, MAY_END)
{
    es_literal letter = LETTER;
    es_term kept = TRY(esi_keep(es_lend(letter)));
    EXPECT(es_match(kept, LETTER));
    es_drop(kept);
}

SWEEP(es_drop, TAKES_NOTHING)
{
    es_term kept = es_keep(LETTER);
    TRY_VOID(es_drop(kept));
}

SWEEP(es_parse_term, 0)
{
    static char text[8000];
    es_term term;
    int length = 0;
    for (int i = 0; i < 100; i++)
        length += snprintf(text + length, sizeof text - (size_t)length, "{r,[%d,#{a => <<\"b\">>}],", i);
    length += snprintf(text + length, sizeof text - (size_t)length,
                       "-1234567890123456789012345678901234567890,1.5,\"string\"");
    for (int i = 0; i < 100; i++)
        text[length++] = '}';
    text[length] = 0;
    if (went_well(TRY(es_parse_term(text, &term))))
        es_drop(term);
    EXPECT(es_parse_term(text, &term) == ES_OK);
    es_drop(term);
}

/* ---------------------------------------------------------------- resources */

static int destroyed;

static void destroys(void *resource)
{
    (void)resource;
    destroyed++;
}

SWEEP(es_own, 0)
{
    static int resource;
    destroyed = 0;
    if (went_well(TRY(es_own(&resource, destroys))))
        EXPECT(es_disown(&resource) == ES_OK);
    else
        EXPECT(es_disown(&resource) == ES_ENOTFOUND);
    EXPECT(es_own(&resource, destroys) == ES_OK && es_disown(&resource) == ES_OK && destroyed == 0);
}

SWEEP(es_disown, TAKES_NOTHING)
{
    static int resource;
    EXPECT(es_own(&resource, destroys) == ES_OK);
    EXPECT(TRY(es_disown(&resource)) == ES_OK);
}

SWEEP(es_own_fd, 0)
{
    int fd = dup(0);
    if (!went_well(TRY(es_own_fd(fd))))
        EXPECT(es_own_fd(fd) == ES_OK);
    EXPECT(es_close(fd) == ES_OK);
}

SWEEP(es_close, TAKES_NOTHING)
{
    int fd = dup(0);
    EXPECT(es_own_fd(fd) == ES_OK);
    EXPECT(TRY(es_close(fd)) == ES_OK);
}

static es_mutex shared = ES_MUTEX_INIT;

SWEEP(es_mutex_lock, 0)
{
    if (!went_well(TRY(es_mutex_lock(&shared))))
        EXPECT(es_mutex_lock(&shared) == ES_OK);
    EXPECT(es_mutex_unlock(&shared) == ES_OK);
}

static void locks_and_ends(void)
{
    EXPECT(es_mutex_lock(&shared) == ES_OK);
    EXPECT(es_mutex_unlock(&shared) == ES_OK);
}

/* With another who waits for it. */
SWEEP(es_mutex_unlock, TAKES_NOTHING)
{
    EXPECT(es_mutex_lock(&shared) == ES_OK);
    es_pid waiting = es_spawn(locks_and_ends);
    es_sleep(5);
    EXPECT(TRY(es_mutex_unlock(&shared)) == ES_OK);
    wait_for_end(waiting);
}

SWEEP(esi_defer_push, MAY_END)
{
    static int resource;
    destroyed = 0;
    struct esi_defer defer = {0, destroys, &resource};
    TRY_VOID(esi_defer_push(&defer));
    esi_defer_run(&defer);
    EXPECT(destroyed == 1);
}

SWEEP(esi_defer_run, TAKES_NOTHING)
{
    static int resource;
    destroyed = 0;
    struct esi_defer defer = {0, destroys, &resource};
    esi_defer_push(&defer);
    TRY_VOID(esi_defer_run(&defer));
    EXPECT(destroyed == 1);
}

/* ---------------------------------------------------------------- scheduling */

SWEEP(es_yield, TAKES_NOTHING)
{
    TRY_VOID(es_yield());
}

SWEEP(esi_preempt_point, TAKES_NOTHING)
{
    TRY_VOID(esi_preempt_point());
}

SWEEP(es_sleep, TAKES_NOTHING)
{
    TRY_VOID(es_sleep(2));
}

SWEEP(es_random, TAKES_NOTHING)
{
    uint64_t number = TRY(es_random());
    EXPECT(number != es_random());
}

SWEEP(es_simulate_spare, TAKES_NOTHING)
{
    TRY_VOID(es_simulate_spare(es_self()));
}

SWEEP(es_now_ns, TAKES_NOTHING)
{
    EXPECT(TRY(es_now_ns()) > 0);
}

SWEEP(es_set_priority, TAKES_NOTHING)
{
    EXPECT(TRY(es_set_priority(ES_PRIORITY_HIGH)) == ES_PRIORITY_NORMAL);
}

SWEEP(es_pin, TAKES_NOTHING)
{
    TRY_VOID(es_pin());
    es_unpin();
}

SWEEP(es_unpin, TAKES_NOTHING)
{
    es_pin();
    TRY_VOID(es_unpin());
}

SWEEP(es_hibernate, 0)
{
    volatile int on_stack = 7;
    es_send_after(5, es_self(), last);
    TRY_VOID(es_hibernate());
    EXPECT(on_stack == 7 && got(last));
}

static void goes_deep(void *was_there)
{
    *(bool *)was_there = true;
}

#define OTHER_STACK(function)                                                          \
    SWEEP(function, 0)                                                                 \
    {                                                                                  \
        bool was_there = false;                                                        \
        EXPECT(went_well(TRY(function(1 << 20, goes_deep, &was_there))) == was_there); \
        EXPECT(function(1 << 20, goes_deep, &was_there) == ES_OK);                     \
    }
OTHER_STACK(es_on_big_stack)
OTHER_STACK(es_uninterrupted)

SWEEP(es_suspend, 0)
{
    es_pid p = settled(es_spawn(waits));
    if (went_well(TRY(es_suspend(p))))
        EXPECT(es_resume(p) == ES_OK);
    EXPECT(es_suspend(p) == ES_OK && es_resume(p) == ES_OK);
}

SWEEP(es_resume, 0)
{
    es_pid p = settled(es_spawn(waits));
    EXPECT(es_suspend(p) == ES_OK);
    if (!went_well(TRY(es_resume(p))))
        EXPECT(es_resume(p) == ES_OK);
    EXPECT(es_suspend(p) == ES_OK && es_resume(p) == ES_OK);
}

/* ---------------------------------------------------------------- looking */

SWEEP(es_process_info, TAKES_NOTHING)
{
    es_info info;
    EXPECT(TRY(es_process_info(other, &info)) && es_pid_equal(info.pid, other));
}

SWEEP(es_is_alive, MAY_END)
{
    EXPECT(es_send(other, r) == ES_OK); /* behind which the question goes */
    EXPECT(TRY(es_is_alive(other)));
}

SWEEP(es_processes, TAKES_NOTHING)
{
    es_pid all[8];
    EXPECT(TRY(es_processes(all, 8)) == 3);
}

SWEEP(es_label, TAKES_NOTHING)
{
    TRY_VOID(es_label("a label of process %d", 7));
    es_label("another %d", 7);
    es_info info;
    EXPECT(es_process_info(es_self(), &info) && strcmp(info.label, "another 7") == 0);
}

SWEEP(es_group_leader, TAKES_NOTHING)
{
    TRY(es_group_leader());
}

SWEEP(es_set_group_leader, 0)
{
    if (!went_well(TRY(es_set_group_leader(es_self(), other))))
        EXPECT(es_set_group_leader(es_self(), other) == ES_OK);
    es_yield();
    EXPECT(es_pid_equal(es_group_leader(), other));
}

SWEEP(es_contain, KEEPS_BLOCKS)
{
    if (!went_well(TRY(es_contain("libc.so.6"))))
        EXPECT(es_contain("libc.so.6") == ES_OK);
}

SWEEP(es_node_info_get, TAKES_NOTHING)
{
    es_node_info info;
    TRY_VOID(es_node_info_get(&info));
    EXPECT(info.processes == 3);
}

static const char a_module;

SWEEP(esi_module_mark, TAKES_NOTHING)
{
    TRY_VOID(esi_module_mark(&a_module, ESI_MARK_FLAGS));
}

SWEEP(esi_module_unmark, KEEPS_BLOCKS)
{
    esi_module_mark(&a_module, ESI_MARK_FLAGS);
    TRY_VOID(esi_module_unmark(&a_module));
}

/* ---------------------------------------------------------------- receive */

/* Each step of a receive, as es_receive makes them; behind more messages than are looked at one by one. */
static struct esi_rx rx;

static void fills_mailbox(void)
{
    for (int i = 0; i < 200; i++)
        EXPECT(es_send(es_self(), ES_TUPLE(another, i)) == ES_OK);
    EXPECT(es_send(es_self(), last) == ES_OK);
}

static void finds_all(void)
{
    EXPECT(there_is(last));
    for (int i = 0; i < 200; i++)
        EXPECT(there_is(ES_TUPLE(another, i)));
}

static bool receives_last(void)
{
    bool is_there = false;
    es_receive {
        es_case(last)
            is_there = true;
        es_after(0)
            is_there = false;
    }
    return is_there;
}

SWEEP(esi_rx_next, 0)
{
    fills_mailbox();
    EXPECT(TRY(receives_last()));
    EXPECT(es_send(es_self(), last) == ES_OK);
    finds_all();
}

SWEEP(esi_rx_end, TAKES_NOTHING)
{
    EXPECT(es_send(es_self(), LETTER) == ES_OK);
    esi_rx_begin(&rx);
    EXPECT(esi_rx_next(&rx) && esi_rx_case(&rx, LETTER) && esi_rx_take(&rx));
    TRY_VOID(esi_rx_end(&rx));
}

SWEEP(esi_rx_take_shown, TAKES_NOTHING)
{
    EXPECT(es_send(es_self(), another) == ES_OK && es_send(es_self(), LETTER) == ES_OK);
    esi_rx_begin(&rx);
    while (esi_rx_next(&rx) && !esi_rx_case(&rx, LETTER)) {
    }
    TRY_VOID(esi_rx_take_shown(&rx));
    esi_rx_end(&rx);
}

SWEEP(esi_rx_note, TAKES_NOTHING)
{
    es_literal letter = LETTER;
    esi_rx_begin(&rx);
    TRY_VOID(esi_rx_note(&rx, letter));
    esi_rx_end(&rx);
}

SWEEP(esi_rx_arm, TAKES_NOTHING)
{
    esi_rx_begin(&rx);
    while (rx.pass != ESI_RX_ARM && esi_rx_next(&rx)) {
    }
    EXPECT(!TRY(esi_rx_arm(&rx, 1000)));
    esi_rx_end(&rx);
}

/* A typed message, asked as a tuple. */
SWEEP(esi_rx_as_tuple, MAY_END)
{
    parcel *p = es_new(parcel);
    p->number = 7;
    EXPECT(es_give(es_self(), p) == ES_OK);
    esi_rx_begin(&rx);
    EXPECT(esi_rx_next(&rx) && rx.cur.w == ESI_RX_TYPED);
    TRY_VOID(esi_rx_as_tuple(&rx));
    EXPECT(es_match(rx.cur, ES_TUPLE(a_parcel, 7, ES_ANY)));
    EXPECT(esi_rx_take(&rx));
    esi_rx_end(&rx);
}

/* A tuple, asked as a typed message. */
SWEEP(esi_rx_struct, MAY_END)
{
    EXPECT(es_send(es_self(), ES_TUPLE(a_parcel, 7, "a text")) == ES_OK);
    esi_rx_begin(&rx);
    EXPECT(esi_rx_next(&rx));
    parcel *in = TRY((parcel *)esi_rx_struct(&rx, &parcel_has_no_ES_STRUCT));
    EXPECT(in && in->number == 7);
    esi_rx_end(&rx);
}

int main(int argc, char **argv)
{
    return sweep_all(argc, argv);
}

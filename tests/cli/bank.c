/* bank.c - a program for `engset test` to find out about. Its first argument says what is wrong with it:
 *
 *   good     nothing
 *   race     a deposit reads the balance and then writes it: two at once lose one
 *   fragile  a deposit is lost when the process that makes it is killed, and nobody cares
 *   weary    twenty short reads are too much for it
 *   outside  it goes by the nanoseconds of the real clock
 *   hang     it computes for ever
 *   crash    the node ends by a signal
 *   deaf     it never comes to es_simulate() */
#include <engset.h>
#include <signal.h>
#include <string.h>
#include <time.h>

ES_ATOMS(add, get, set);

enum { DEPOSITS = 4, AMOUNT = 10 };

static const char *fault;
static int balance_at_end;

static bool is(const char *name)
{
    return strcmp(fault, name) == 0;
}

static void account(void)
{
    int balance = 0, amount;
    es_term from;
    es_simulate_spare(es_self());
    for (;;)
        es_receive {
            es_case_call(from, get)
                es_reply_to(from, balance);
            es_case(ES_TUPLE(add, &amount))
                balance += amount;
            es_case(ES_TUPLE(set, &amount))
                balance = amount;
        }
}

static int read_balance(es_pid account_pid)
{
    int balance = -1;
    es_match(es_call(account_pid, get, ES_INFINITY), &balance);
    return balance;
}

static void deposit(es_term argument)
{
    es_pid to;
    if (!es_match(argument, &to))
        return;
    if (is("race"))
        es_send(to, ES_TUPLE(set, read_balance(to) + AMOUNT));
    else
        es_send(to, ES_TUPLE(add, AMOUNT));
}

static void make_deposits(es_pid to)
{
    es_ref ref;
    for (int i = 0; i < DEPOSITS; i++)
        es_spawn_monitor(&ref, deposit, ES_T(to));
    for (int i = 0; i < DEPOSITS; i++)
        es_receive
            es_case(ES_TUPLE(es_am_DOWN, ES_ANY, ES_ANY, ES_ANY, ES_ANY)) {
            }
}

static void misbehave(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (is("outside"))
        es_sleep(now.tv_nsec % 1000);
    while (is("hang"))
        ;
    if (is("crash"))
        raise(SIGKILL);
}

/* Two bytes are there, and some reads give one. */
static void read_until_weary(void)
{
    enum { READS = 400, SHORT_MOST = 19 };
    int fds[2], short_reads = 0;
    char bytes[2];
    if (es_pipe(fds) != ES_OK)
        return;
    for (int i = 0; i < READS; i++) {
        if (es_write(fds[1], "ab", 2, ES_INFINITY) < 0)
            return;
        int64_t got = es_read(fds[0], bytes, 2, ES_INFINITY);
        short_reads += got == 1;
        if (got == 1 && es_read(fds[0], bytes, 1, ES_INFINITY) != 1)
            return;
    }
    if (short_reads > SHORT_MOST) {
        fprintf(stderr, "the bank is weary\n");
        es_exit(es_am_error);
    }
}

static void bank(void *unused)
{
    (void)unused;
    misbehave();
    if (is("weary")) {
        read_until_weary();
        return;
    }
    es_pid to = es_spawn(account);
    make_deposits(to);
    balance_at_end = read_balance(to);
    if (balance_at_end != DEPOSITS * AMOUNT) {
        fprintf(stderr, "the bank has lost %d\n", DEPOSITS * AMOUNT - balance_at_end);
        es_exit(es_am_error);
    }
}

int main(int argc, char **argv)
{
    fault = argc > 1 ? argv[1] : "good";
    if (is("deaf"))
        return 0;
    uint32_t faults = ES_FAULTS_ORDER;
    if (is("fragile"))
        faults |= ES_FAULT_KILL;
    if (is("weary"))
        faults = ES_FAULT_SHORT_IO;
    return es_simulate(bank, NULL, &(es_simulation){.faults = faults});
}

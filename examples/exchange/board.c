/* exchange/board.c - counts what the others tell, and shows it: one screen on a terminal, else a line a second.
 *
 * Each second it leaves its figures with the keeper, and begins with what the keeper has: when it crashes, the counts of a second are missing. */
#include "exchange.h"
#include "bugs.h"
#include "histogram.h"
#include <unistd.h>

ES_ATOMS(begun, set_up, crash, lost, own, other, garbage, tick, summary, keeper, keep, fetch, board,
         hand_over);

typedef struct {
    int64_t calls_up, calls_up_max, calls;
    int64_t set_ups, set_ups_before; /* all, and those until a second ago */
    int64_t lost_own, lost_other, garbage, crashes, crash[BUGS];
    struct histogram all, recent; /* microseconds from INVITE to the 200 */
    int64_t rss_kb, rss_first_kb; /* now, and half a minute after the start */
    int64_t seconds;
} figures;

static int64_t resident_kb(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file)
        return 0;
    if (fscanf(file, "%*s %ld", &pages) != 1)
        pages = 0;
    fclose(file);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static double ms(const struct histogram *h, int permille)
{
    return (double)histogram_at(h, permille) / 1000;
}

static void print_bar(int64_t value, int64_t full)
{
    enum { WIDTH = 40 };
    int64_t length = value * WIDTH / full;
    for (int i = 0; i < WIDTH; i++)
        fputs(i < length ? "█" : " ", stdout);
}

static void print_crashes(const figures *f)
{
    for (int bug = 0; bug < BUGS; bug++)
        if (bug != BUG_OTHER || f->crash[bug])
            printf("%s%s %lld", bug ? ", " : "", bug_text((enum bug)bug), (long long)f->crash[bug]);
}

static void show_screen(const figures *f)
{
    char address[22];
    es_node_info node;
    es_node_info_get(&node);
    printf("\033[H\033[2J\n  \033[1mTelephone exchange\033[0m at %s, running for %lld s. Ctrl-C ends it in "
           "order.\n\n",
           sip_address_text(exchange->address, address), (long long)f->seconds);
    printf("  calls up           %6lld  ", (long long)f->calls_up);
    print_bar(f->calls_up, f->calls_up_max > 2000 ? f->calls_up_max : 2000);
    printf("\n  set-ups a second   %6lld\n", (long long)(f->set_ups - f->set_ups_before));
    printf("  set-up time        ");
    if (f->recent.total > 0)
        printf("%6.1f ms p50, %.1f ms p99\n", ms(&f->recent, 500), ms(&f->recent, 990));
    else
        printf("     -\n");
    printf("  crashes            %6lld  ", (long long)f->crashes);
    print_crashes(f);
    printf("\n  calls lost         %6lld  because a process of their own crashed; other calls lost: %lld\n",
           (long long)f->lost_own, (long long)f->lost_other);
    printf("  garbage dropped    %6lld\n", (long long)f->garbage);
    printf("  processes          %6lld  in %lld MB\n", (long long)node.processes,
           (long long)f->rss_kb / 1024);
    fflush(stdout);
}

static void show_line(const figures *f)
{
    printf("%4lld s: %lld calls up, %lld set-ups/s, p50 %.1f ms, p99 %.1f ms, %lld crashes, "
           "calls lost: %lld by their own crash, %lld others, %lld kB\n",
           (long long)f->seconds, (long long)f->calls_up, (long long)(f->set_ups - f->set_ups_before),
           ms(&f->recent, 500), ms(&f->recent, 990), (long long)f->crashes, (long long)f->lost_own,
           (long long)f->lost_other, (long long)f->rss_kb);
    fflush(stdout);
}

static void print_summary(const figures *f)
{
    printf("\nThe exchange ran for %lld s.\n", (long long)f->seconds);
    printf("  calls              %lld, up to %lld at the same time\n", (long long)f->calls,
           (long long)f->calls_up_max);
    printf("  set-up time        p50 %.1f ms, p99 %.1f ms, of %lld\n", ms(&f->all, 500), ms(&f->all, 990),
           (long long)f->set_ups);
    printf("  crashed processes  %lld: ", (long long)f->crashes);
    print_crashes(f);
    printf("\n  calls lost         %lld by a crash of their own, %lld others\n", (long long)f->lost_own,
           (long long)f->lost_other);
    printf("  garbage dropped    %lld\n", (long long)f->garbage);
    printf("  memory             %lld kB at the end", (long long)resident_kb());
    if (f->rss_first_kb)
        printf(", %lld kB after the first 45 s", (long long)f->rss_first_kb);
    printf("\n");
    fflush(stdout);
}

/* Seconds are counted from the exchange's start. One that was missed comes at once. */
static void wait_for_next_second(const figures *f)
{
    es_send_at(exchange->started_ns / 1000000 + (f->seconds + 1) * 1000, es_self(), tick);
}

static void hand_to_keeper(const figures *f)
{
    es_cast(keeper, ES_TUPLE(keep, board, es_bytes(f, sizeof *f)));
}

static void on_second(figures *f)
{
    enum { WARM_S = 45 }; /* a leg lingers for 32 s, and a call lasts some */
    f->seconds = (es_now_ns() - exchange->started_ns + 500000000) / 1000000000;
    f->rss_kb = resident_kb();
    f->calls_up = es_members(exchange_calls, NULL, 0);
    if (f->calls_up > f->calls_up_max)
        f->calls_up_max = f->calls_up;
    if (f->seconds == WARM_S)
        f->rss_first_kb = f->rss_kb;
    if (!exchange->is_quiet) {
        if (isatty(STDOUT_FILENO))
            show_screen(f);
        else
            show_line(f);
    }
    f->set_ups_before = f->set_ups;
    memset(&f->recent, 0, sizeof f->recent);
    hand_to_keeper(f);
    wait_for_next_second(f);
}

static void on_set_up(figures *f, int64_t us)
{
    f->set_ups++;
    histogram_add(&f->all, us);
    histogram_add(&f->recent, us);
}

static es_answer board_info(figures *f, es_term message)
{
    int64_t n;
    int bug;
    if (es_is(message, begun))
        f->calls++;
    else if (es_match(message, ES_TUPLE(set_up, &n)))
        on_set_up(f, n);
    else if (es_match(message, ES_TUPLE(crash, &bug)) && bug >= 0 && bug < BUGS)
        f->crashes++, f->crash[bug]++;
    else if (es_match(message, ES_TUPLE(lost, own)))
        f->lost_own++;
    else if (es_match(message, ES_TUPLE(lost, other)))
        f->lost_other++;
    else if (es_match(message, ES_TUPLE(garbage, &n)))
        f->garbage += n;
    else if (es_is(message, tick))
        on_second(f);
    else
        return es_unknown(message);
    return es_noreply();
}

/* The keeper has nothing: it crashed. */
static es_answer board_cast(figures *f, es_term message)
{
    if (!es_is(message, hand_over))
        return es_unknown(message);
    hand_to_keeper(f);
    return es_noreply();
}

static es_answer board_call(figures *f, es_term request, es_from from)
{
    (void)from;
    if (!es_is(request, summary))
        return es_unknown(request);
    print_summary(f);
    return es_reply(es_am_ok);
}

static es_answer board_init(figures *f, es_term args)
{
    es_term kept = exchange_ask(keeper, ES_TUPLE(fetch, board));
    es_bin bytes;
    (void)args;
    if (es_get_bin(kept, &bytes) && bytes.size == sizeof *f)
        memcpy(f, bytes.data, sizeof *f);
    es_drop(kept);
    wait_for_next_second(f);
    return es_ok();
}

ES_SERVER(board_server, figures, .init = board_init, .cast = board_cast, .call = board_call,
          .info = board_info);

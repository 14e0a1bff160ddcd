/* exchange/board.c - counts what the others tell, and shows it: one screen on a terminal, else a line a second. */
#include "exchange.h"
#include "bugs.h"
#include "histogram.h"
#include <unistd.h>

ES_ATOMS(begun, over, set_up, crash, lost, own, other, garbage, tick, summary);

struct figures {
    int64_t calls_up, calls_up_max, calls;
    int64_t set_ups, set_ups_before; /* all, and those until a second ago */
    int64_t lost_own, lost_other, garbage, crashes, crash[BUGS];
    struct histogram all, recent; /* microseconds from INVITE to the 200 */
    int64_t rss_kb, rss_first_kb; /* now, and half a minute after the start */
    int64_t seconds;
};

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

static void print_crashes(const struct figures *f)
{
    for (int bug = 0; bug < BUGS; bug++)
        if (bug != BUG_OTHER || f->crash[bug])
            printf("%s%s %lld", bug ? ", " : "", bug_text((enum bug)bug), (long long)f->crash[bug]);
}

static void show_screen(const struct figures *f)
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

static void show_line(const struct figures *f)
{
    printf("%4lld s: %lld calls up, %lld set-ups/s, p50 %.1f ms, p99 %.1f ms, %lld crashes, "
           "calls lost: %lld by their own crash, %lld others, %lld kB\n",
           (long long)f->seconds, (long long)f->calls_up, (long long)(f->set_ups - f->set_ups_before),
           ms(&f->recent, 500), ms(&f->recent, 990), (long long)f->crashes, (long long)f->lost_own,
           (long long)f->lost_other, (long long)f->rss_kb);
    fflush(stdout);
}

static void print_summary(const struct figures *f)
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

static void wait_for_next_second(const struct figures *f)
{
    es_send_at(exchange->started_ns / 1000000 + (f->seconds + 1) * 1000, es_self(), tick);
}

static void on_second(struct figures *f)
{
    enum { WARM_S = 45 }; /* a leg lingers for 32 s, and a call lasts some */
    f->seconds = (es_now_ns() - exchange->started_ns + 500000000) / 1000000000;
    f->rss_kb = resident_kb();
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
    wait_for_next_second(f);
}

static void on_set_up(struct figures *f, int64_t us)
{
    f->set_ups++;
    histogram_add(&f->all, us);
    histogram_add(&f->recent, us);
}

static void on_begun(struct figures *f)
{
    f->calls++;
    if (++f->calls_up > f->calls_up_max)
        f->calls_up_max = f->calls_up;
}

static void take_one(struct figures *f)
{
    int64_t n;
    int bug;
    es_term from;
    es_receive {
        es_case(begun)
            on_begun(f);
        es_case(over)
            f->calls_up--;
        es_case(ES_TUPLE(set_up, &n))
            on_set_up(f, n);
        es_case_when(ES_TUPLE(crash, &bug), bug >= 0 && bug < BUGS) {
            f->crashes++;
            f->crash[bug]++;
        }
        es_case(ES_TUPLE(lost, own))
            f->lost_own++;
        es_case(ES_TUPLE(lost, other))
            f->lost_other++;
        es_case(ES_TUPLE(garbage, &n))
            f->garbage += n;
        es_case(tick)
            on_second(f);
        es_case_call(from, summary) {
            print_summary(f);
            es_reply_to(from, es_am_ok);
        }
    }
}

void board(void)
{
    struct figures *f = es_alloc(sizeof *f);
    wait_for_next_second(f);
    for (;;)
        take_one(f);
}

/* preempt.c - code compiled with -fsanitize-coverage=trace-pc gives others a turn also where it calls nothing.
 *
 * The compiler calls __sanitizer_cov_trace_pc() at each edge of the flow. Here that is counting down; now and then the library is asked, which
 * charges the process and takes it off when its turn is over. In an archive of its own (libengset-preempt.a), so that only a program that
 * asks for it gets the symbol: others may use coverage for what it is meant for. Nothing of the runtime is compiled so.
 *
 * The counter is a thread's: a process that goes on elsewhere takes up that one's, a few edges more or less. */
#include <engset/proc.h>

enum { EDGES_A_LOOK = 1024 };

static __thread int edges_left __attribute__((tls_model("initial-exec")));

__attribute__((visibility("default"), noinline)) void __sanitizer_cov_trace_pc(void);

static __attribute__((noinline, cold)) void look(void)
{
    edges_left = EDGES_A_LOOK;
    esi_preempt_point();
}

void __sanitizer_cov_trace_pc(void)
{
    if (__builtin_expect(--edges_left < 0, 0))
        look();
}

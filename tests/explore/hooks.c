/* hooks.c - what code compiled with -fsanitize=thread calls, and what stands in for locks, futexes, barriers and the clock.
 *
 * Each function does what its name says of the real one; those that others may notice come to a point() first. The names and types are the
 * compilers' (gcc: gcc/sanitizer.def; clang: compiler-rt/lib/tsan/rtl/tsan_interface.h), which know a 128-bit atomic, too: we have none. */
#include <errno.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "internal.h"
#include "world.h"

#define HERE ((uintptr_t)__builtin_return_address(0))

static void at_point(enum op_kind kind, const volatile void *at, uintptr_t pc)
{
    point((struct op){.kind = (uint8_t)kind, .at = (uintptr_t)at, .pc = pc});
}

/* ------------------------------------------------------------ plain accesses */

void __tsan_init(void)
{
}
void __tsan_func_entry(void *pc)
{
    (void)pc;
}
void __tsan_func_exit(void)
{
}

#define PLAIN(name, size, is_write)                          \
    void __tsan_##name(void *at)                             \
    {                                                        \
        memory_plain((uintptr_t)at, (size), is_write, HERE); \
    }
#define PLAIN_SIZE(size)                     \
    PLAIN(read##size, size, false)           \
    PLAIN(write##size, size, true)           \
    PLAIN(unaligned_read##size, size, false) \
    PLAIN(unaligned_write##size, size, true) \
    PLAIN(volatile_read##size, size, false)  \
    PLAIN(volatile_write##size, size, true)
PLAIN_SIZE(1)
PLAIN_SIZE(2)
PLAIN_SIZE(4)
PLAIN_SIZE(8)
PLAIN_SIZE(16)

void __tsan_read_range(void *at, size_t size)
{
    memory_plain((uintptr_t)at, size, false, HERE);
}

void __tsan_write_range(void *at, size_t size)
{
    memory_plain((uintptr_t)at, size, true, HERE);
}

void *__wrap_memcpy(void *to, const void *from, size_t size)
{
    memory_plain((uintptr_t)from, size, false, HERE);
    memory_plain((uintptr_t)to, size, true, HERE);
    return __real_memcpy(to, from, size);
}

void *__wrap_memmove(void *to, const void *from, size_t size)
{
    memory_plain((uintptr_t)from, size, false, HERE);
    memory_plain((uintptr_t)to, size, true, HERE);
    return __real_memmove(to, from, size);
}

void *__wrap_memset(void *to, int byte, size_t size)
{
    memory_plain((uintptr_t)to, size, true, HERE);
    return __real_memset(to, byte, size);
}

/* ------------------------------------------------------------ atomic accesses */

static uint64_t be(uint64_t before, uint64_t operand)
{
    (void)before;
    return operand;
}
static uint64_t add(uint64_t before, uint64_t operand)
{
    return before + operand;
}
static uint64_t sub(uint64_t before, uint64_t operand)
{
    return before - operand;
}
static uint64_t and_(uint64_t before, uint64_t operand)
{
    return before & operand;
}
static uint64_t or_(uint64_t before, uint64_t operand)
{
    return before | operand;
}
static uint64_t xor_(uint64_t before, uint64_t operand)
{
    return before ^ operand;
}
static uint64_t nand(uint64_t before, uint64_t operand)
{
    return ~(before & operand);
}

/* memory_change() takes the size into account: what a change leaves above the object's own bits is not stored. */
#define CHANGE(bits, type, name, change)                                                         \
    type __tsan_atomic##bits##_##name(volatile type *at, type value, int order)                  \
    {                                                                                            \
        at_point(OP_CHANGE, at, HERE);                                                           \
        return (type)memory_change((uintptr_t)at, sizeof(type), order, change, (uint64_t)value); \
    }
#define COMPARE(bits, type, name)                                                                     \
    int __tsan_atomic##bits##_compare_exchange_##name(volatile type *at, type *expected, type value,  \
                                                      int order, int order_failed)                    \
    {                                                                                                 \
        at_point(OP_CHANGE, at, HERE);                                                                \
        uint64_t seen = *expected;                                                                    \
        bool is_done =                                                                                \
            memory_compare((uintptr_t)at, sizeof(type), &seen, (uint64_t)value, order, order_failed); \
        *expected = (type)seen;                                                                       \
        return is_done;                                                                               \
    }
#define ATOMIC(bits, type)                                                                                   \
    type __tsan_atomic##bits##_load(const volatile type *at, int order)                                      \
    {                                                                                                        \
        at_point(OP_LOAD, at, HERE);                                                                         \
        return (type)memory_load((uintptr_t)at, sizeof(type), order);                                        \
    }                                                                                                        \
    void __tsan_atomic##bits##_store(volatile type *at, type value, int order)                               \
    {                                                                                                        \
        at_point(OP_STORE, at, HERE);                                                                        \
        memory_store((uintptr_t)at, sizeof(type), (uint64_t)value, order);                                   \
    }                                                                                                        \
    CHANGE(bits, type, exchange, be)                                                                         \
    CHANGE(bits, type, fetch_add, add)                                                                       \
    CHANGE(bits, type, fetch_sub, sub)                                                                       \
    CHANGE(bits, type, fetch_and, and_)                                                                      \
    CHANGE(bits, type, fetch_or, or_)                                                                        \
    CHANGE(bits, type, fetch_xor, xor_)                                                                      \
    CHANGE(bits, type, fetch_nand, nand)                                                                     \
    COMPARE(bits, type, strong)                                                                              \
    COMPARE(bits, type, weak)                                                                                \
    type __tsan_atomic##bits##_compare_exchange_val(volatile type *at, type expected, type value, int order, \
                                                    int order_failed)                                        \
    {                                                                                                        \
        at_point(OP_CHANGE, at, HERE);                                                                       \
        uint64_t seen = expected;                                                                            \
        memory_compare((uintptr_t)at, sizeof(type), &seen, (uint64_t)value, order, order_failed);            \
        return (type)seen;                                                                                   \
    }
ATOMIC(8, uint8_t)
ATOMIC(16, uint16_t)
ATOMIC(32, uint32_t)
ATOMIC(64, uint64_t)

/* All seq_cst fences are one object. Where memory is sequentially consistent nobody else notices them. */
void __tsan_atomic_thread_fence(int order)
{
    static char fences;
    if (order == __ATOMIC_SEQ_CST && memory_is_weak())
        at_point(OP_FENCE, &fences, HERE);
    memory_fence(order);
}

void __tsan_atomic_signal_fence(int order)
{
    (void)order;
}

/* ------------------------------------------------------------ locks */

static int lock(void *at, uintptr_t pc)
{
    if (current_thread() == NOBODY)
        return 0;
    at_point(OP_LOCK, at, pc);
    memory_lock((uintptr_t)at);
    return 0;
}

static int try_lock(void *at, uintptr_t pc)
{
    if (current_thread() == NOBODY)
        return 0;
    at_point(OP_TRYLOCK, at, pc);
    return memory_lock((uintptr_t)at) ? 0 : EBUSY;
}

static int unlock(void *at, uintptr_t pc)
{
    if (current_thread() == NOBODY)
        return 0;
    at_point(OP_UNLOCK, at, pc);
    memory_unlock((uintptr_t)at);
    return 0;
}

int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex)
{
    return lock(mutex, HERE);
}
int __wrap_pthread_mutex_trylock(pthread_mutex_t *mutex)
{
    return try_lock(mutex, HERE);
}
int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex)
{
    return unlock(mutex, HERE);
}
int __wrap_pthread_spin_lock(pthread_spinlock_t *spin)
{
    return lock((void *)spin, HERE);
}
int __wrap_pthread_spin_trylock(pthread_spinlock_t *spin)
{
    return try_lock((void *)spin, HERE);
}
int __wrap_pthread_spin_unlock(pthread_spinlock_t *spin)
{
    return unlock((void *)spin, HERE);
}

/* ------------------------------------------------------------ system calls */

static long futex_wait(uint32_t *at, uint32_t expected, bool has_deadline, uintptr_t pc)
{
    at_point(OP_SLEEP, at, pc);
    if (!memory_sleep((uintptr_t)at, expected)) {
        errno = EAGAIN;
        return -1;
    }
    point((struct op){.kind = OP_GET_UP, .at = (uintptr_t)at, .pc = pc, .has_deadline = has_deadline});
    if (memory_get_up())
        return 0;
    errno = ETIMEDOUT;
    return -1;
}

static long futex_wake(uint32_t *at, int count, uintptr_t pc)
{
    at_point(OP_WAKE, at, pc);
    return memory_wake((uintptr_t)at, count);
}

/* futex, membarrier; a signal to a thread is not sent. */
long __wrap_syscall(long number, uintptr_t a, uintptr_t b, uintptr_t c, uintptr_t d)
{
    if (number == SYS_futex && current_thread() != NOBODY) {
        if ((b & FUTEX_CMD_MASK) == FUTEX_WAIT_BITSET || (b & FUTEX_CMD_MASK) == FUTEX_WAIT)
            return futex_wait((uint32_t *)a, (uint32_t)c, d != 0, HERE);
        return futex_wake((uint32_t *)a, (int)c, HERE);
    }
    if (number == SYS_membarrier && a == MEMBARRIER_CMD_QUERY)
        return MEMBARRIER_CMD_PRIVATE_EXPEDITED;
    if (number == SYS_membarrier && current_thread() != NOBODY && memory_is_weak()) {
        at_point(OP_BARRIER, NULL, HERE);
        memory_barrier();
    }
    return 0;
}

int __wrap_pause(void)
{
    explore_stop();
}

/* One object, read at each look. */
static char clock_object;

void explore_clock(uint64_t now_ns)
{
    if (current_thread() != NOBODY)
        at_point(OP_STORE, &clock_object, HERE);
    world_set_now_ns(now_ns);
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
    (void)clock;
    if (current_thread() != NOBODY)
        at_point(OP_LOAD, &clock_object, HERE);
    uint64_t ns = world_now_ns();
    *now = (struct timespec){.tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000)};
    return 0;
}

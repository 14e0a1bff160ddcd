/* memory.c - what each thread knows of memory: which values an atomic load may give, and which plain accesses nothing orders.
 *
 * Each thread has a *view*: how far it knows each other thread's steps (a vector clock), and for each atomic object the oldest of its values
 * that may still be read. A release leaves the view with the value that it stores, an acquire joins the view that it finds. That is C11 with
 * three restrictions: a value stands in its object's history where the store was run, nothing is read before it was stored, and consume is acquire.
 * Where memory is sequentially consistent a load gives the newest value; the views then only tell of races.
 *
 * A race is a plain access that is not ordered with a write, plain or atomic, of the same byte, or a plain write with any access. */
#include <string.h>
#include "internal.h"
#include "world.h"

enum { TIMEOUTS = 1, AGAIN = 2, OBJECTS = 512, TABLE = 2048, VALUES = 250, WORDS = 1 << 15, SLEEPERS = 4 };

struct view {
    uint32_t clock[EXPLORE_THREADS];
    uint8_t oldest[OBJECTS]; /* by object: the index of a value. Weak memory only */
};

struct value {
    uint64_t bits;
    struct view *left; /* what a release left, or NULL */
};

struct object {
    uintptr_t at;
    uint32_t run;
    uint16_t index;
    uint8_t count, last_seq_cst; /* values; the index of the last one that was stored so */
    int8_t owner;                /* of a lock */
    struct {
        uint8_t index, count;
    } again[EXPLORE_THREADS]; /* how often in a row a thread read a value that was not the newest */
    struct value values[VALUES];
};

/* When each thread last touched the bytes of a word, and which. */
struct access {
    uint32_t clock;
    uint8_t bytes;
};

enum access_kind { PLAIN_READ, PLAIN_WRITE, ATOMIC_READ, ATOMIC_WRITE, ACCESS_KINDS };

struct word {
    uintptr_t at;
    uint32_t run;
    uint8_t users;  /* threads that touched it, a bit each */
    bool is_atomic; /* there are objects in it */
    struct access by[EXPLORE_THREADS][ACCESS_KINDS];
    uintptr_t pc[EXPLORE_THREADS]; /* of the last plain one */
};

static struct {
    uint32_t run;
    bool is_weak;
    int object_count;
    struct object objects[TABLE];
    struct word words[WORDS];
    int word_count;
    struct view of[EXPLORE_THREADS];
    struct view acquired[EXPLORE_THREADS]; /* by relaxed loads: an acquire fence joins it */
    struct view fenced[EXPLORE_THREADS];   /* at the last release fence */
    bool has_fenced[EXPLORE_THREADS];
    struct view seq_cst; /* of all fences */
    struct view *spare;  /* array: views that releases left in this run */
    size_t spare_used;
    struct {
        uintptr_t at;
        bool is_woken, is_asleep;
        int turn, timeouts;
    } sleeper[EXPLORE_THREADS];
    int turn;
} * m;

enum { SPARE_MAX = STEPS_MAX + 16 };

__attribute__((constructor(102))) static void memory_open(void)
{
    m = world_own(sizeof *m);
    m->spare = world_own(SPARE_MAX * sizeof *m->spare);
}

void memory_reset(bool is_weak)
{
    m->run++;
    m->is_weak = is_weak;
    m->object_count = m->word_count = m->turn = 0;
    m->spare_used = 0;
    __real_memset(m->of, 0, sizeof m->of);
    __real_memset(m->acquired, 0, sizeof m->acquired);
    __real_memset(m->has_fenced, 0, sizeof m->has_fenced);
    __real_memset(&m->seq_cst, 0, sizeof m->seq_cst);
    __real_memset(m->sleeper, 0, sizeof m->sleeper);
    for (int i = 0; i < EXPLORE_THREADS; i++)
        m->of[i].clock[i] = 1;
}

bool memory_is_weak(void)
{
    return m->is_weak;
}

/* ------------------------------------------------------------ views */

static size_t view_bytes(void)
{
    return offsetof(struct view, oldest) + (m->is_weak ? (size_t)m->object_count : 0);
}

static void join(struct view *to, const struct view *from)
{
    if (!from)
        return;
    for (int i = 0; i < EXPLORE_THREADS; i++)
        if (from->clock[i] > to->clock[i])
            to->clock[i] = from->clock[i];
    for (int i = 0; m->is_weak && i < m->object_count; i++)
        if (from->oldest[i] > to->oldest[i])
            to->oldest[i] = from->oldest[i];
}

static struct view *copy_of(const struct view *view)
{
    if (m->spare_used == SPARE_MAX)
        violation("too many releases for one run");
    struct view *copy = &m->spare[m->spare_used++];
    if (m->is_weak)
        __real_memset(copy, 0, sizeof *copy);
    __real_memcpy(copy, view, view_bytes());
    return copy;
}

/* What the thread did so far is told from others' steps by its clock. */
static void tick(int thread)
{
    m->of[thread].clock[thread]++;
}

/* ------------------------------------------------------------ objects and their values */

static uint64_t bits_at(uintptr_t at, int size)
{
    uint64_t bits = 0;
    __real_memcpy(&bits, (void *)at, (size_t)size);
    return bits;
}

static void write_bits(uintptr_t at, int size, uint64_t bits)
{
    world_touch(at, (size_t)size);
    __real_memcpy((void *)at, &bits, (size_t)size);
}

/* Its place, if it is of another run: where it is to be. */
static struct object *find_object(uintptr_t at)
{
    struct object *object = &m->objects[(at * 0x9e3779b97f4a7c15u) >> 53];
    while (object->run == m->run && object->at != at)
        object = object == &m->objects[TABLE - 1] ? m->objects : object + 1;
    return object;
}

static struct object *object_at(uintptr_t at)
{
    struct object *object = find_object(at);
    if (object->run == m->run)
        return object;
    if (m->object_count == OBJECTS)
        violation("more than %d atomic objects in one run", OBJECTS);
    object->at = at;
    object->run = m->run;
    object->index = (uint16_t)m->object_count++;
    object->count = object->last_seq_cst = 0;
    object->owner = NOBODY;
    __real_memset(object->again, 0, sizeof object->again);
    if (m->is_weak) {
        m->seq_cst.oldest[object->index] = 0;
        for (int i = 0; i < EXPLORE_THREADS; i++)
            m->of[i].oldest[object->index] = m->acquired[i].oldest[object->index] =
                m->fenced[i].oldest[object->index] = 0;
    }
    return object;
}

static void append(struct object *object, uint64_t bits, struct view *left)
{
    /* Nobody reads an older one, or there are too many: then the old ones are not tried. */
    if (!m->is_weak || object->count == VALUES)
        object->count = 0;
    object->values[object->count++] = (struct value){bits, left};
}

static struct value *newest(struct object *object)
{
    return &object->values[object->count - 1];
}

/* With what stands there now as the newest: somebody may have written to it by a plain store, as in an initialisation. */
static struct object *object_now(uintptr_t at, int size)
{
    struct object *object = object_at(at);
    uint64_t bits = bits_at(at, size);
    if (!object->count || newest(object)->bits != bits)
        append(object, bits, NULL);
    return object;
}

static bool acquires(int order)
{
    return order == __ATOMIC_ACQUIRE || order == __ATOMIC_CONSUME || order == __ATOMIC_ACQ_REL ||
           order == __ATOMIC_SEQ_CST;
}

static bool releases(int order)
{
    return order == __ATOMIC_RELEASE || order == __ATOMIC_ACQ_REL || order == __ATOMIC_SEQ_CST;
}

static void saw(int thread, struct object *object, int index, int order)
{
    if (m->is_weak)
        m->of[thread].oldest[object->index] = (uint8_t)index;
    join(acquires(order) ? &m->of[thread] : &m->acquired[thread], object->values[index].left);
}

/* The value is in place of the newest from here on; `before`: an exchange passes on what the one before left. */
static void put(int thread, struct object *object, int size, uint64_t bits, int order,
                const struct view *before)
{
    write_bits(object->at, size, bits);
    bits = bits_at(object->at, size); /* without what is above it */
    struct view *left = NULL;
    if (m->is_weak)
        m->of[thread].oldest[object->index] = object->count;
    if (releases(order))
        left = copy_of(&m->of[thread]);
    else if (m->has_fenced[thread])
        left = copy_of(&m->fenced[thread]);
    if (before && !left)
        left = copy_of(before);
    else if (before)
        join(left, before);
    append(object, bits, left);
    if (order == __ATOMIC_SEQ_CST)
        object->last_seq_cst = (uint8_t)(object->count - 1);
    tick(thread);
}

/* ------------------------------------------------------------ races */

static struct word *word_at(uintptr_t at)
{
    struct word *word = &m->words[(at / 8 * 0x9e3779b97f4a7c15u) >> 49];
    while (word->run == m->run && word->at != at)
        word = word == &m->words[WORDS - 1] ? m->words : word + 1;
    if (word->run == m->run)
        return word;
    if (++m->word_count == WORDS / 2)
        violation("a run touches more words than are provided for");
    word->at = at;
    word->run = m->run;
    __real_memset(word->by, 0, sizeof word->by);
    word->users = 0;
    word->is_atomic = false;
    return word;
}

static bool clash(enum access_kind a, enum access_kind b)
{
    bool is_plain = a <= PLAIN_WRITE || b <= PLAIN_WRITE;
    return is_plain && (a == PLAIN_WRITE || a == ATOMIC_WRITE || b == PLAIN_WRITE || b == ATOMIC_WRITE);
}

static void look_for_race(int thread, struct word *word, enum access_kind kind, uint8_t bytes, uintptr_t pc)
{
    for (int other = 0; other < EXPLORE_THREADS; other++)
        for (int their = 0; other != thread && their < ACCESS_KINDS; their++) {
            struct access *access = &word->by[other][their];
            if ((access->bytes & bytes) && access->clock > m->of[thread].clock[other] &&
                clash(kind, (enum access_kind)their))
                violation("a race at %#lx: nothing orders the %s %s of thread %c (%s) and the %s %s of "
                          "thread %c (%s)",
                          (unsigned long)word->at, kind <= PLAIN_WRITE ? "plain" : "atomic",
                          kind % 2 ? "write" : "read", 'a' + thread,
                          kind <= PLAIN_WRITE ? place_of(pc) : "see below",
                          their <= PLAIN_WRITE ? "plain" : "atomic", their % 2 ? "write" : "read",
                          'a' + other, their <= PLAIN_WRITE ? place_of(word->pc[other]) : "see below");
        }
}

/* Somebody writes there as to plain memory: what was stored before is not to be had any more. */
static void forget_values(uintptr_t word, uint8_t bytes)
{
    for (unsigned i = 0; i < 8; i++) {
        struct object *object = find_object(word + i);
        if ((bytes >> i & 1) && object->run == m->run && object->owner == NOBODY)
            object->count = 0;
    }
}

static void note_word(int thread, uintptr_t at, enum access_kind kind, uint8_t bytes, uintptr_t pc)
{
    struct word *word = word_at(at);
    struct access *mine = &word->by[thread][kind];
    uint32_t now = m->of[thread].clock[thread];
    if (mine->clock == now && (mine->bytes & bytes) == bytes)
        return;
    word->is_atomic = word->is_atomic || kind >= ATOMIC_READ;
    if (m->is_weak && word->is_atomic && kind == PLAIN_WRITE)
        forget_values(at, bytes);
    word->users |= (uint8_t)(1u << thread);
    if (word->users != 1u << thread)
        look_for_race(thread, word, kind, bytes, pc);
    mine->bytes = mine->clock == now ? mine->bytes | bytes : bytes;
    mine->clock = now;
    word->pc[thread] = pc;
}

static void note_access(uintptr_t at, size_t size, enum access_kind kind, uintptr_t pc)
{
    int thread = current_thread();
    if (thread == NOBODY || !world_is_shared(at))
        return;
    if (world_is_freed(at))
        violation("thread %c uses memory that was freed: %#lx (%s)", 'a' + thread, (unsigned long)at,
                  place_of(pc));
    for (uintptr_t word = at & ~(uintptr_t)7; word < at + size; word += 8) {
        unsigned from = word < at ? (unsigned)(at - word) : 0;
        unsigned to = word + 8 > at + size ? (unsigned)(at + size - word) : 8;
        note_word(thread, word, kind, (uint8_t)((1u << to) - (1u << from)), pc);
    }
}

void memory_plain(uintptr_t at, size_t size, bool is_write, uintptr_t pc)
{
    if (is_write)
        world_touch(at, size);
    if (m)
        note_access(at, size, is_write ? PLAIN_WRITE : PLAIN_READ, pc);
}

void world_freeing(void *memory, size_t bytes)
{
    if (m)
        note_access((uintptr_t)memory, bytes, PLAIN_WRITE, (uintptr_t)__builtin_return_address(0));
}

/* ------------------------------------------------------------ atomic accesses */

/* The oldest value that `thread` may read. */
static int oldest(int thread, struct object *object, int order)
{
    int index = m->of[thread].oldest[object->index];
    return order == __ATOMIC_SEQ_CST && object->last_seq_cst > index ? object->last_seq_cst : index;
}

/* May it be read once more? Else who waits for a newer one could wait for ever. A rule for each thread and object, so that it does not matter
 * what others do meanwhile. */
static bool may_read(int thread, const struct object *object, int index)
{
    return object->again[thread].index != index || object->again[thread].count < AGAIN;
}

/* One of the values that may be read; `but`: not this one, unless it is the newest. */
static int choose(int thread, struct object *object, int order, const uint64_t *but)
{
    int top = object->count - 1, candidates[VALUES], count = 0;
    if (!m->is_weak)
        return top;
    candidates[count++] = top;
    for (int i = top - 1; i >= oldest(thread, object, order); i--)
        if (may_read(thread, object, i) && (!but || object->values[i].bits != *but))
            candidates[count++] = i;
    int chosen = candidates[choose_value(count)];
    bool is_again = chosen != top && object->again[thread].index == chosen;
    object->again[thread].count = is_again ? object->again[thread].count + 1 : chosen != top;
    object->again[thread].index = (uint8_t)chosen;
    return chosen;
}

uint64_t memory_load(uintptr_t at, int size, int order)
{
    int thread = current_thread();
    if (thread == NOBODY)
        return bits_at(at, size);
    note_access(at, (size_t)size, ATOMIC_READ, 0);
    struct object *object = object_now(at, size);
    int index = choose(thread, object, order, NULL);
    saw(thread, object, index, order);
    return object->values[index].bits;
}

void memory_store(uintptr_t at, int size, uint64_t value, int order)
{
    int thread = current_thread();
    if (thread == NOBODY) {
        write_bits(at, size, value);
        return;
    }
    note_access(at, (size_t)size, ATOMIC_WRITE, 0);
    put(thread, object_now(at, size), size, value, order, NULL);
}

uint64_t memory_change(uintptr_t at, int size, int order, uint64_t (*change)(uint64_t, uint64_t),
                       uint64_t operand)
{
    int thread = current_thread();
    uint64_t before = bits_at(at, size), value = change(before, operand);
    if (thread == NOBODY) {
        write_bits(at, size, value);
        return before;
    }
    note_access(at, (size_t)size, ATOMIC_WRITE, 0);
    struct object *object = object_now(at, size);
    saw(thread, object, object->count - 1, order);
    put(thread, object, size, value, order, newest(object)->left);
    return before;
}

bool memory_compare(uintptr_t at, int size, uint64_t *expected, uint64_t value, int order, int order_failed)
{
    int thread = current_thread();
    uint64_t before = bits_at(at, size);
    if (thread == NOBODY) {
        bool is_done = before == *expected;
        if (is_done)
            write_bits(at, size, value);
        *expected = before;
        return is_done;
    }
    note_access(at, (size_t)size, before == *expected ? ATOMIC_WRITE : ATOMIC_READ, 0);
    struct object *object = object_now(at, size);
    int index = choose(thread, object, order_failed, expected);
    if (index == object->count - 1 && before == *expected) {
        saw(thread, object, index, order);
        put(thread, object, size, value, order, newest(object)->left);
        return true;
    }
    saw(thread, object, index, order_failed);
    *expected = object->values[index].bits;
    return false;
}

/* ------------------------------------------------------------ fences */

/* What one fence knows of the values the next one knows. It orders no plain accesses: that takes a value that was read. */
static void fence_all(int thread)
{
    for (int i = 0; m->is_weak && i < m->object_count; i++) {
        uint8_t *mine = &m->of[thread].oldest[i], *all = &m->seq_cst.oldest[i];
        *mine = *all = *mine > *all ? *mine : *all;
    }
}

void memory_fence(int order)
{
    int thread = current_thread();
    if (thread == NOBODY)
        return;
    if (acquires(order))
        join(&m->of[thread], &m->acquired[thread]);
    if (order == __ATOMIC_SEQ_CST)
        fence_all(thread);
    if (releases(order)) {
        m->fenced[thread] = m->of[thread];
        m->has_fenced[thread] = true;
        tick(thread);
    }
}

/* Every thread does a seq_cst fence where it just is. */
void memory_barrier(void)
{
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < EXPLORE_THREADS; i++) {
            join(&m->of[i], &m->acquired[i]);
            fence_all(i);
            m->fenced[i] = m->of[i];
            m->has_fenced[i] = true;
        }
    for (int i = 0; i < EXPLORE_THREADS; i++)
        tick(i);
}

/* ------------------------------------------------------------ locks and futexes */

bool lock_is_free(uintptr_t at)
{
    return object_at(at)->owner == NOBODY;
}

bool memory_lock(uintptr_t at)
{
    struct object *lock = object_at(at);
    if (lock->owner != NOBODY)
        return false;
    lock->owner = (int8_t)current_thread();
    if (lock->count)
        join(&m->of[lock->owner], newest(lock)->left);
    return true;
}

void memory_unlock(uintptr_t at)
{
    struct object *lock = object_at(at);
    if (lock->owner != current_thread())
        violation("thread %c gives back a lock that it does not hold", 'a' + current_thread());
    lock->count = 0;
    append(lock, 0, copy_of(&m->of[lock->owner]));
    tick(lock->owner);
    lock->owner = NOBODY;
}

bool is_woken(int thread)
{
    return m->sleeper[thread].is_woken;
}

bool may_be_late(int thread)
{
    return m->sleeper[thread].timeouts < TIMEOUTS;
}

bool memory_sleep(uintptr_t at, uint32_t expected)
{
    int thread = current_thread();
    if (bits_at(at, 4) != expected)
        return false;
    m->sleeper[thread].at = at;
    m->sleeper[thread].is_asleep = true;
    m->sleeper[thread].is_woken = false;
    m->sleeper[thread].turn = m->turn++;
    return true;
}

bool memory_get_up(void)
{
    int thread = current_thread();
    m->sleeper[thread].is_asleep = false;
    m->sleeper[thread].timeouts += !m->sleeper[thread].is_woken;
    return m->sleeper[thread].is_woken;
}

int memory_wake(uintptr_t at, int count)
{
    int woken = 0;
    while (woken < count) {
        int first = NOBODY;
        for (int i = 0; i < EXPLORE_THREADS; i++)
            if (m->sleeper[i].is_asleep && !m->sleeper[i].is_woken && m->sleeper[i].at == at &&
                (first == NOBODY || m->sleeper[i].turn < m->sleeper[first].turn))
                first = i;
        if (first == NOBODY)
            break;
        m->sleeper[first].is_woken = true;
        woken++;
    }
    return woken;
}

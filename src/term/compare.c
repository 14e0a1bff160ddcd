/* compare.c - the order of all terms. Source: what OTP 25 does; tests/term/data has its answers. */
#include "term/compare.h"

#include <stdatomic.h>
#include "base/assert.h"
#include "term/atom.h"
#include "term/copy.h"
#include "term/work.h"

static _Atomic uint64_t node_name = (uint64_t)ESI_AM_nonode_nohost << 3 | ESI_TAG_ATOM;
static _Atomic uint32_t node_creation;

void esi_node_set(es_atom name, uint32_t creation)
{
    /* relaxed: set before a pid of another node can be here. */
    atomic_store_explicit(&node_name, name.w, memory_order_relaxed);
    atomic_store_explicit(&node_creation, creation, memory_order_relaxed);
}

es_atom esi_node_name(void)
{
    es_atom name = {atomic_load_explicit(&node_name, memory_order_relaxed)};
    return name;
}

uint32_t esi_node_creation(void)
{
    return atomic_load_explicit(&node_creation, memory_order_relaxed);
}

static int order_u64(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

/* ---- numbers ---- */

/* An integer, small or big, as sign and magnitude. */
struct integer {
    bool minus;
    uint64_t count; /* words of magnitude, the last is not 0; 0 is 0 words */
    const uint64_t *words;
    uint64_t small; /* where `words` points for a small one */
};

static void take_integer(uint64_t word, struct integer *out)
{
    if (esi_tag(word) == ESI_TAG_INT) {
        int64_t value = esi_small(word);
        out->minus = value < 0;
        out->small = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
        out->count = value != 0;
        out->words = &out->small;
    } else {
        const uint64_t *box = esi_box(word);
        out->minus = esi_header_kind(box[0]) == ESI_BIG_MINUS;
        out->count = esi_header_count(box[0]);
        out->words = box + 1;
    }
}

static int order_magnitudes(const struct integer *a, const struct integer *b)
{
    if (a->count != b->count)
        return order_u64(a->count, b->count);
    for (uint64_t i = a->count; i-- > 0;)
        if (a->words[i] != b->words[i])
            return order_u64(a->words[i], b->words[i]);
    return 0;
}

static int order_integers(uint64_t a, uint64_t b)
{
    struct integer x, y;
    if (esi_tag(a) == ESI_TAG_INT && esi_tag(b) == ESI_TAG_INT)
        return (esi_small(a) > esi_small(b)) - (esi_small(a) < esi_small(b));
    take_integer(a, &x);
    take_integer(b, &y);
    if (x.minus != y.minus)
        return x.minus ? -1 : 1;
    return x.minus ? order_magnitudes(&y, &x) : order_magnitudes(&x, &y);
}

static double take_double(uint64_t word)
{
    double value;
    memcpy(&value, esi_box(word) + 1, sizeof value);
    return value;
}

/* The highest 64 bits of the magnitude, the highest of them 1, and whether there are ones below. */
static uint64_t top_bits(const struct integer *x, bool *more)
{
    uint64_t high = x->words[x->count - 1], low = x->count > 1 ? x->words[x->count - 2] : 0;
    int shift = __builtin_clzll(high);
    uint64_t rest = shift > 0 ? low << shift : low;
    *more = x->count > 1 && (shift > 0 ? rest : low) != 0;
    for (uint64_t i = 0; i + 2 < x->count && !*more; i++)
        *more = x->words[i] != 0;
    return shift > 0 ? high << shift | low >> (64 - shift) : high;
}

/* Exactly, without rounding the integer: both as a highest bit's place and what follows it. */
static int order_integer_and_double(uint64_t word, double value)
{
    struct integer x;
    uint64_t bits, mantissa, top;
    int64_t x_length, d_length;
    bool more;
    int order;
    take_integer(word, &x);
    if (x.count == 0)
        return value == 0 ? 0 : value > 0 ? -1 : 1;
    if (value == 0 || x.minus != (value < 0))
        return x.minus ? -1 : 1;
    memcpy(&bits, &value, sizeof bits);
    mantissa = bits & (((uint64_t)1 << 52) - 1);
    d_length = (int64_t)(bits >> 52 & 0x7ff) - 1022; /* value < 2^d_length, not less than half of it */
    x_length = (int64_t)(64 * x.count) - __builtin_clzll(x.words[x.count - 1]);
    if (x_length != d_length) {
        order = x_length < d_length ? -1 : 1;
    } else {
        top = top_bits(&x, &more);
        order = order_u64(top, (mantissa | (uint64_t)1 << 52) << 11);
        if (order == 0 && more)
            order = 1;
    }
    return x.minus ? -order : order;
}

static int order_numbers(uint64_t a, uint64_t b, bool as_keys)
{
    bool a_float = esi_is_box(a, ESI_FLOAT), b_float = esi_is_box(b, ESI_FLOAT);
    if (a_float && b_float) {
        double x = take_double(a), y = take_double(b);
        return (x > y) - (x < y);
    }
    if (!a_float && !b_float)
        return order_integers(a, b);
    if (as_keys)
        return a_float ? 1 : -1;
    return a_float ? -order_integer_and_double(b, take_double(a))
                   : order_integer_and_double(a, take_double(b));
}

/* ---- names of processes, references, ports ---- */

static int order_nodes(uint32_t a, uint32_t a_creation, uint32_t b, uint32_t b_creation)
{
    es_atom x, y;
    int order;
    if (a == b && a_creation == b_creation)
        return 0;
    x = a == 0 ? esi_node_name() : esi_atom_of_index(a);
    y = b == 0 ? esi_node_name() : esi_atom_of_index(b);
    order = esi_atom_compare(x, y);
    if (order != 0)
        return order;
    return order_u64(a == 0 ? esi_node_creation() : a_creation, b == 0 ? esi_node_creation() : b_creation);
}

static int order_pids(uint64_t a, uint64_t b)
{
    es_term x = {a}, y = {b};
    es_pid p = {0, 0, 0}, q = {0, 0, 0};
    int order;
    es_get_pid(x, &p);
    es_get_pid(y, &q);
    order = order_u64(esi_pid_serial(p), esi_pid_serial(q));
    if (order == 0)
        order = order_u64(esi_pid_number(p), esi_pid_number(q));
    return order != 0 ? order : order_nodes(p.node, p.creation, q.node, q.creation);
}

static int order_refs(uint64_t a, uint64_t b)
{
    es_term x = {a}, y = {b};
    es_ref p = {0, 0, 0, 0, 0, 0}, q = {0, 0, 0, 0, 0, 0};
    int order;
    es_get_ref(x, &p);
    es_get_ref(y, &q);
    order = order_nodes(p.node, p.creation, q.node, q.creation);
    if (order == 0)
        order = order_u64(p.pid, q.pid);
    if (order == 0)
        order = order_u64(p.id, q.id);
    return order != 0 ? order : order_u64(p.first, q.first);
}

static int order_ports(uint64_t a, uint64_t b)
{
    es_term x = {a}, y = {b};
    es_port p = {0, 0, 0}, q = {0, 0, 0};
    int order;
    es_get_port(x, &p);
    es_get_port(y, &q);
    order = order_nodes(p.node, p.creation, q.node, q.creation);
    return order != 0 ? order : order_u64(p.id, q.id);
}

/* ---- bitstrings ---- */

static int order_bits(uint64_t a, uint64_t b)
{
    es_term x = {a}, y = {b};
    const uint8_t *p = NULL, *q = NULL;
    uint64_t p_bits = 0, q_bits = 0, both, rest;
    int order;
    es_get_bits(x, &p, &p_bits);
    es_get_bits(y, &q, &q_bits);
    both = p_bits < q_bits ? p_bits : q_bits;
    order = both >= 8 ? memcmp(p, q, (size_t)(both / 8)) : 0;
    rest = both % 8;
    if (order == 0 && rest != 0)
        order = order_u64(p[both / 8] >> (8 - rest), q[both / 8] >> (8 - rest));
    return order != 0 ? (order > 0) - (order < 0) : order_u64(p_bits, q_bits);
}

/* ---- everything ---- */

enum rank { NONE, NUMBER, ATOM, REF, FUN, EXPORT, PORT, PID, TUPLE, MAP, NIL, CONS, BITS };

static enum rank rank_of(uint64_t word)
{
    static const uint8_t of_box[32] = {
        [ESI_TUPLE] = TUPLE,     [ESI_MAP] = MAP,          [ESI_MAP_LITERAL] = MAP, [ESI_FLOAT] = NUMBER,
        [ESI_BIG_PLUS] = NUMBER, [ESI_BIG_MINUS] = NUMBER, [ESI_BIN] = BITS,        [ESI_BIN_LENT] = BITS,
        [ESI_BIN_SHARED] = BITS, [ESI_PID] = PID,          [ESI_REF] = REF,         [ESI_PORT] = PORT,
        [ESI_FUN] = FUN,         [ESI_EXPORT] = EXPORT};
    switch (esi_tag(word)) {
    case ESI_TAG_INT:
        return NUMBER;
    case ESI_TAG_ATOM:
        return ATOM;
    case ESI_TAG_PID:
        return PID;
    case ESI_TAG_CONS:
        return CONS;
    case ESI_TAG_BOX:
        return word == 0 ? NONE : (enum rank)of_box[esi_header_kind(*esi_box(word))];
    default:
        return word == ESI_NIL_WORD ? NIL : NONE;
    }
}

enum { AS_NUMBERS, AS_KEYS };

/* What of a fun is ordered: module, old index, old uniq, number of free variables, then these. */
static int order_fun_heads(const uint64_t *a, const uint64_t *b)
{
    static const uint8_t order_of[] = {4, 5, 6};
    es_atom x = {a[4]}, y = {b[4]};
    int order = esi_atom_compare(x, y);
    for (size_t i = 1; order == 0 && i < sizeof order_of; i++)
        order = order_integers(a[order_of[i]], b[order_of[i]]);
    return order != 0 ? order : order_u64(esi_header_count(a[0]), esi_header_count(b[0]));
}

/* Orders two words as far as that needs no look inside; what is inside is pushed. */
static int order_words(uint64_t a, uint64_t b, uint64_t as, struct esi_work *work)
{
    enum rank rank = rank_of(a), other = rank_of(b);
    const uint64_t *x = esi_box(a), *y = esi_box(b);
    es_atom p = {a}, q = {b};
    uint64_t count;
    int order;
    bool pushed = true;
    if (rank != other)
        return rank < other ? -1 : 1;
    switch (rank) {
    case NUMBER:
        return order_numbers(a, b, as == AS_KEYS);
    case ATOM:
        return esi_atom_compare(p, q);
    case REF:
        return order_refs(a, b);
    case PORT:
        return order_ports(a, b);
    case PID:
        return order_pids(a, b);
    case BITS:
        return order_bits(a, b);
    case CONS:
        pushed = esi_work_push(work, esi_cons(a), esi_cons(b), 2, as);
        break;
    case MAP:
        count = esi_header_count(x[0]);
        if (count != esi_header_count(y[0]))
            return order_u64(count, esi_header_count(y[0]));
        if (count > 0)
            pushed = esi_work_push(work, x + 1 + count, y + 1 + count, count, as) &&
                     esi_work_push(work, x + 1, y + 1, count, AS_KEYS);
        break;
    case FUN:
        order = order_fun_heads(x, y);
        if (order != 0)
            return order;
        if (esi_header_count(x[0]) > 7)
            pushed = esi_work_push(work, x + 8, y + 8, esi_header_count(x[0]) - 7, as);
        break;
    case TUPLE:
    case EXPORT:
        count = esi_header_count(x[0]);
        if (count != esi_header_count(y[0]))
            return order_u64(count, esi_header_count(y[0]));
        if (count > 0)
            pushed = esi_work_push(work, x + 1, y + 1, count, as);
        break;
    default:
        return order_u64(a, b);
    }
    if (!pushed) {
        esi_work_fini(work);
        if (esi_work_no_memory != NULL)
            esi_work_no_memory();
        esi_panic(__FILE__, __LINE__, "no memory to compare two deep terms");
    }
    return 0;
}

static int compare(uint64_t a, uint64_t b, uint64_t as)
{
    struct esi_work work;
    int order;
    if (a == b)
        return 0;
    esi_work_init(&work, true);
    for (;;) {
        order = a == b ? 0 : order_words(a, b, as, &work);
        if (order != 0 || work.count == 0)
            break;
        struct esi_work_frame *top = esi_work_top(&work);
        a = *top->a++;
        b = *top->b++;
        as = top->state;
        if (--top->left == 0)
            work.count--;
    }
    esi_work_fini(&work);
    return order;
}

int es_compare(es_term a, es_term b)
{
    return compare(a.w, b.w, AS_NUMBERS);
}

int esi_compare_keys(es_term a, es_term b)
{
    return compare(a.w, b.w, AS_KEYS);
}

/* The same in all words; two that differ in some may still be the same one, told of by two nodes. */
static bool is_same_ref(const uint64_t *a, const uint64_t *b)
{
    return a[0] == b[0] && a[1] == b[1] && a[2] == b[2] && a[3] == b[3];
}

bool es_equal(es_term a, es_term b)
{
    /* What is one word is equal only if it is the same word. */
    if (a.w == b.w)
        return true;
    if (esi_tag(a.w) != esi_tag(b.w) || (esi_tag(a.w) != ESI_TAG_BOX && esi_tag(a.w) != ESI_TAG_CONS))
        return false;
    if (esi_is_box(a.w, ESI_REF) && esi_is_box(b.w, ESI_REF) && is_same_ref(esi_box(a.w), esi_box(b.w)))
        return true;
    return compare(a.w, b.w, AS_KEYS) == 0;
}

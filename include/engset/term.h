/* engset/term.h - what is said: Erlang terms, their types, their bits, atoms.
 *
 * A term is one word. Small values are in the word itself; what is larger is in words that somebody else owns:
 * a message's block, a process's memory, or, for a literal, the C stack. A term never owns anything.
 *
 *   low 3 bits   what                        the rest of the word
 *   0            a box                       pointer to a header word, 8-byte aligned; 0 is "no term"
 *   1            small integer               61 bits, signed
 *   2            atom                        its number
 *   3            pid of this node            its id, 61 bits
 *   4            list cell                   pointer to two words, head and tail
 *   5            binder, in patterns only    pointer to two words, kind and address
 *   6            [] and ES_ANY
 *   7            header word, never a term   kind (5 bits), count (56 bits)
 *
 * Not here: building and matching with macros (engset/match.h), structs (engset/struct.h). */
#ifndef ENGSET_TERM_H
#define ENGSET_TERM_H

#include <stdio.h>
#include <string.h>
#include <engset/base.h>

/* In C17 `true` is the int 1, so that ES_TUPLE(ok, true) would send 1. This makes it a bool, as C23 does.
 * Define ES_NO_BOOL before including if you cannot have that; then say es_am_true. */
#if !defined(__cplusplus) && !defined(ES_NO_BOOL) && defined(true)
#undef true
#undef false
#define true ((_Bool) + 1u)
#define false ((_Bool) + 0u)
#endif

ES_BEGIN_DECLS

/* Any Erlang term. `w` is 0 for "no term" (see es_is_none). */
typedef struct es_term {
    uint64_t w;
} es_term;

/* An atom: the same bits as the term. */
typedef struct es_atom {
    uint64_t w;
} es_atom;

/* A process. `node` is 0 for this node, otherwise the number of the atom that names the node (es_atom.w >> 3).
 * Of a pid of this node `id` has 61 bits: an index in the low 28, a generation above. Of another node's pid
 * `id` is what its node says: number in the low 32 bits, serial in the high 32. */
typedef struct es_pid {
    uint64_t id;
    uint32_t node;
    uint32_t creation;
} es_pid;

/* A unique reference. Of this node: `id` is unique, `pid` is the id of the process that made it (0: none), so
 * that a reply finds it; `node`, `first` and `word_count` are 0. Of another node: its `word_count` words (1 to 5)
 * are, in the order of the wire: `first`, the low and high half of `id`, the low and high half of `pid`. */
typedef struct es_ref {
    uint64_t id;
    uint64_t pid;
    uint32_t node;
    uint32_t creation;
    uint32_t first;
    uint32_t word_count;
} es_ref;

/* A port. Only ports of other nodes are terms. */
typedef struct es_port {
    uint64_t id;
    uint32_t node;
    uint32_t creation;
} es_port;

/* Bytes, lent: as long as what they lie in. */
typedef struct es_bin {
    const uint8_t *data;
    size_t size;
} es_bin;

/* Bytes that many terms share; counted. See es_shared_bin_make(). */
struct esi_shared;
typedef struct es_shared_bin {
    struct esi_shared *shared;
} es_shared_bin;

/* ---- bits ---- */

enum {
    ESI_TAG_BOX = 0,
    ESI_TAG_INT = 1,
    ESI_TAG_ATOM = 2,
    ESI_TAG_PID = 3,
    ESI_TAG_CONS = 4,
    ESI_TAG_BINDER = 5,
    ESI_TAG_CONST = 6,
    ESI_TAG_HEADER = 7
};

/* Boxes. "n" is the count in the header; the words that follow the header:
 *   TUPLE       n terms
 *   MAP         n keys in the order of maps, then their n values
 *   MAP_LITERAL the same; as a pattern it matches maps that have more keys
 *   FLOAT       the double
 *   BIG_PLUS, BIG_MINUS   n words of magnitude, the least first, the last not 0; never fits a small integer
 *   BIN         number of bits; then n words of bytes, unused ones are 0
 *   BIN_LENT    number of bits; pointer to the bytes (literals only)
 *   BIN_SHARED  number of bits; pointer to the bytes; struct esi_shared *; next in its block's chain
 *   PID, PORT   id; node | creation << 32
 *   REF         id; pid; node | creation << 32; n is first | word_count << 32
 *   FUN         n terms: arity, uniq (binary of 16 bytes), index, module, old index, old uniq, pid, free variables
 *   EXPORT      3 terms: module, function, arity */
enum {
    ESI_TUPLE,
    ESI_MAP,
    ESI_MAP_LITERAL,
    ESI_FLOAT,
    ESI_BIG_PLUS,
    ESI_BIG_MINUS,
    ESI_BIN,
    ESI_BIN_LENT,
    ESI_BIN_SHARED,
    ESI_PID,
    ESI_REF,
    ESI_PORT,
    ESI_FUN,
    ESI_EXPORT
};

#define ESI_HEADER(kind, count) ((uint64_t)(count) << 8 | (uint64_t)(kind) << 3 | ESI_TAG_HEADER)
#define ESI_NIL_WORD            ((uint64_t)ESI_TAG_CONST)
#define ESI_ANY_WORD            ((uint64_t)(8 | ESI_TAG_CONST))
#define ESI_SMALL_MAX           (((int64_t)1 << 60) - 1)
#define ESI_SMALL_MIN           (-((int64_t)1 << 60))

/* Binaries up to this many bytes lie in the block of their message, longer ones are shared. */
#define ESI_BIN_INLINE_MAX 64

static inline unsigned esi_tag(uint64_t word)
{
    return (unsigned)(word & 7);
}

/* The words of a box; words[0] is the header. `word` is a box. */
static inline const uint64_t *esi_box(uint64_t word)
{
    return (const uint64_t *)(uintptr_t)word;
}

/* The two words of a list cell. */
static inline const uint64_t *esi_cons(uint64_t word)
{
    return (const uint64_t *)(uintptr_t)(word - ESI_TAG_CONS);
}

static inline unsigned esi_header_kind(uint64_t header)
{
    return (unsigned)(header >> 3 & 31);
}

static inline uint64_t esi_header_count(uint64_t header)
{
    return header >> 8;
}

/* Is `word` a box of `kind`? */
static inline bool esi_is_box(uint64_t word, unsigned kind)
{
    return esi_tag(word) == ESI_TAG_BOX && word != 0 && esi_header_kind(*esi_box(word)) == kind;
}

/* The words from a C pointer, for terms that lie there. */
static inline uint64_t esi_word_of_box(const uint64_t *words)
{
    return (uint64_t)(uintptr_t)words;
}

static inline uint64_t esi_word_of_cons(const uint64_t *words)
{
    return (uint64_t)(uintptr_t)words + ESI_TAG_CONS;
}

static inline bool esi_fits_small(int64_t value)
{
    return value >= ESI_SMALL_MIN && value <= ESI_SMALL_MAX;
}

static inline uint64_t esi_word_of_small(int64_t value)
{
    return (uint64_t)value << 3 | ESI_TAG_INT;
}

static inline int64_t esi_small(uint64_t word)
{
    return (int64_t)word >> 3;
}

/* ---- constants and questions; any thread ---- */

/* No term at all, which functions give that find nothing. It is no value: it cannot be sent. */
static inline es_term es_none(void)
{
    es_term term = {0};
    return term;
}

/* The empty list. */
static inline es_term es_nil(void)
{
    es_term term = {ESI_NIL_WORD};
    return term;
}

/* The atom as a term. */
static inline es_term es_from_atom(es_atom atom)
{
    es_term term = {atom.w};
    return term;
}

/* A pid of this node as a term. Pids of other nodes need memory: use a literal. */
static inline es_term esi_from_local_pid(uint64_t id)
{
    es_term term = {id << 3 | ESI_TAG_PID};
    return term;
}

/* Is there no term at all? Not the same as es_is_nil. */
static inline bool es_is_none(es_term term)
{
    return term.w == 0;
}

/* Is it []? */
static inline bool es_is_nil(es_term term)
{
    return term.w == ESI_NIL_WORD;
}

/* Is it an atom? true and false are atoms, [] is none. */
static inline bool es_is_atom(es_term term)
{
    return esi_tag(term.w) == ESI_TAG_ATOM;
}

/* Is it [] or a list cell (whose tail may be anything)? */
static inline bool es_is_list(es_term term)
{
    return term.w == ESI_NIL_WORD || esi_tag(term.w) == ESI_TAG_CONS;
}

/* Is it a tuple, of any size? */
static inline bool es_is_tuple(es_term term)
{
    return esi_is_box(term.w, ESI_TUPLE);
}

/* Is it a map, of any size? */
static inline bool es_is_map(es_term term)
{
    return esi_is_box(term.w, ESI_MAP) || esi_is_box(term.w, ESI_MAP_LITERAL);
}

/* Is it a float? 1 is none, 1.0 is one. */
static inline bool es_is_float(es_term term)
{
    return esi_is_box(term.w, ESI_FLOAT);
}

/* Small or big. */
static inline bool es_is_integer(es_term term)
{
    return esi_tag(term.w) == ESI_TAG_INT || esi_is_box(term.w, ESI_BIG_PLUS) ||
           esi_is_box(term.w, ESI_BIG_MINUS);
}

/* Is it a pid, of this node or another? */
static inline bool es_is_pid(es_term term)
{
    return esi_tag(term.w) == ESI_TAG_PID || esi_is_box(term.w, ESI_PID);
}

/* Is it a reference, of this node or another? */
static inline bool es_is_ref(es_term term)
{
    return esi_is_box(term.w, ESI_REF);
}

/* Is it a port? */
static inline bool es_is_port(es_term term)
{
    return esi_is_box(term.w, ESI_PORT);
}

/* Is it a fun of another node? It can be kept and sent on, not called. */
static inline bool es_is_fun(es_term term)
{
    return esi_is_box(term.w, ESI_FUN) || esi_is_box(term.w, ESI_EXPORT);
}

/* Is it a binary or a bitstring? */
static inline bool es_is_bitstring(es_term term)
{
    return esi_is_box(term.w, ESI_BIN) || esi_is_box(term.w, ESI_BIN_LENT) ||
           esi_is_box(term.w, ESI_BIN_SHARED);
}

/* Are they the same atom? Atoms with the same text are. */
static inline bool es_atom_equal(es_atom a, es_atom b)
{
    return a.w == b.w;
}

/* Is it this atom? */
static inline bool es_is(es_term term, es_atom atom)
{
    return term.w == atom.w;
}

#ifdef __cplusplus
#define ES_NO_PID (es_pid{0, 0, 0})
#else
/* No process: what es_self() gives in a thread that is none, and es_spawn() when it fails. */
#define ES_NO_PID ((es_pid){0, 0, 0})
#endif

/* Is it ES_NO_PID? */
static inline bool es_pid_is_none(es_pid pid)
{
    return pid.id == 0 && pid.node == 0;
}

/* Do they name the same process? */
static inline bool es_pid_equal(es_pid a, es_pid b)
{
    return a.id == b.id && a.node == b.node && a.creation == b.creation;
}

/* Are they the same reference? */
static inline bool es_ref_equal(es_ref a, es_ref b)
{
    return a.id == b.id && a.pid == b.pid && a.node == b.node && a.creation == b.creation &&
           a.first == b.first && a.word_count == b.word_count;
}

/* Do they name the same port? */
static inline bool es_port_equal(es_port a, es_port b)
{
    return a.id == b.id && a.node == b.node && a.creation == b.creation;
}

/* What stands in the middle and at the end of <0.Index.Generation>. */
static inline uint32_t esi_pid_number(es_pid pid)
{
    return pid.node != 0 ? (uint32_t)pid.id : (uint32_t)(pid.id & 0xfffffff);
}

static inline uint64_t esi_pid_serial(es_pid pid)
{
    return pid.node != 0 ? pid.id >> 32 : pid.id >> 28;
}

/* Lends `size` bytes at `data` to a literal or a pattern. */
static inline es_bin es_bytes(const void *data, size_t size)
{
    es_bin bin = {(const uint8_t *)data, size};
    return bin;
}

/* ---- taking terms apart; any thread. Nothing here copies or allocates ----
 *
 * The es_get_ functions are true and write `*out` only if the term is of that type and fits. */

/* Atoms, true and false among them. */
static inline bool es_get_atom(es_term term, es_atom *out)
{
    if (!es_is_atom(term))
        return false;
    out->w = term.w;
    return true;
}

/* Small or big integers from -2^63 to 2^63 - 1. */
static inline bool es_get_int64(es_term term, int64_t *out)
{
    const uint64_t *box;
    if (esi_tag(term.w) == ESI_TAG_INT) {
        *out = esi_small(term.w);
        return true;
    }
    if (esi_tag(term.w) != ESI_TAG_BOX || term.w == 0)
        return false;
    box = esi_box(term.w);
    if (box[0] == ESI_HEADER(ESI_BIG_PLUS, 1) && box[1] <= INT64_MAX) {
        *out = (int64_t)box[1];
        return true;
    }
    if (box[0] == ESI_HEADER(ESI_BIG_MINUS, 1) && box[1] <= (uint64_t)INT64_MAX + 1) {
        *out = (int64_t)(0 - box[1]);
        return true;
    }
    return false;
}

/* Integers from 0 to 2^64 - 1. */
static inline bool es_get_uint64(es_term term, uint64_t *out)
{
    if (esi_tag(term.w) == ESI_TAG_INT) {
        if (esi_small(term.w) < 0)
            return false;
        *out = (uint64_t)esi_small(term.w);
        return true;
    }
    if (!esi_is_box(term.w, ESI_BIG_PLUS) || esi_header_count(*esi_box(term.w)) != 1)
        return false;
    *out = esi_box(term.w)[1];
    return true;
}

/* Floats only: 1 is no float. */
static inline bool es_get_double(es_term term, double *out)
{
    if (!es_is_float(term))
        return false;
    memcpy(out, esi_box(term.w) + 1, sizeof *out);
    return true;
}

/* The atoms true and false. */
ES_API
bool es_get_bool(es_term term, bool *out);

/* Pids, of this node or another. */
static inline bool es_get_pid(es_term term, es_pid *out)
{
    const uint64_t *box;
    if (esi_tag(term.w) == ESI_TAG_PID) {
        out->id = term.w >> 3;
        out->node = 0;
        out->creation = 0;
        return true;
    }
    if (!esi_is_box(term.w, ESI_PID))
        return false;
    box = esi_box(term.w);
    out->id = box[1];
    out->node = (uint32_t)box[2];
    out->creation = (uint32_t)(box[2] >> 32);
    return true;
}

/* References, of this node or another. */
static inline bool es_get_ref(es_term term, es_ref *out)
{
    const uint64_t *box;
    if (!es_is_ref(term))
        return false;
    box = esi_box(term.w);
    out->id = box[1];
    out->pid = box[2];
    out->node = (uint32_t)box[3];
    out->creation = (uint32_t)(box[3] >> 32);
    out->first = (uint32_t)esi_header_count(box[0]);
    out->word_count = (uint32_t)(esi_header_count(box[0]) >> 32);
    return true;
}

/* Ports. */
static inline bool es_get_port(es_term term, es_port *out)
{
    const uint64_t *box;
    if (!es_is_port(term))
        return false;
    box = esi_box(term.w);
    out->id = box[1];
    out->node = (uint32_t)box[2];
    out->creation = (uint32_t)(box[2] >> 32);
    return true;
}

/* The bytes and the number of bits of a bitstring, lent from it. The last byte may be used in part, from its
 * high end. */
static inline bool es_get_bits(es_term term, const uint8_t **bytes, uint64_t *bit_count)
{
    const uint64_t *box;
    if (!es_is_bitstring(term))
        return false;
    box = esi_box(term.w);
    *bit_count = box[1];
    *bytes =
        esi_header_kind(box[0]) == ESI_BIN ? (const uint8_t *)(box + 2) : (const uint8_t *)(uintptr_t)box[2];
    return true;
}

/* The bytes of a binary, lent from it. A bitstring of 5 bits is no binary. */
static inline bool es_get_bin(es_term term, es_bin *out)
{
    const uint8_t *bytes;
    uint64_t bits;
    if (!es_get_bits(term, &bytes, &bits) || bits % 8 != 0)
        return false;
    out->data = bytes;
    out->size = (size_t)(bits / 8);
    return true;
}

/* How many elements; 0 if it is no tuple. */
static inline size_t es_tuple_size(es_term term)
{
    return es_is_tuple(term) ? (size_t)esi_header_count(*esi_box(term.w)) : 0;
}

/* The element `index`, counted from 0; no term if there is none. */
static inline es_term es_tuple_get(es_term term, size_t index)
{
    es_term element = {0};
    if (index < es_tuple_size(term))
        element.w = esi_box(term.w)[1 + index];
    return element;
}

/* Head and tail of a list cell. `*head` and `*tail` are untouched if it is none. */
static inline bool es_get_cons(es_term term, es_term *head, es_term *tail)
{
    if (esi_tag(term.w) != ESI_TAG_CONS)
        return false;
    head->w = esi_cons(term.w)[0];
    tail->w = esi_cons(term.w)[1];
    return true;
}

/* The number of elements of a list that ends in []; -1 for anything else. */
ES_API
int64_t es_list_length(es_term term);

/* How many keys; 0 if it is no map. */
static inline size_t es_map_size(es_term term)
{
    return es_is_map(term) ? (size_t)esi_header_count(*esi_box(term.w)) : 0;
}

/* Key and value number `index`, counted from 0 in the order of maps. */
static inline bool es_map_at(es_term term, size_t index, es_term *key, es_term *value)
{
    size_t size = es_map_size(term);
    if (index >= size)
        return false;
    key->w = esi_box(term.w)[1 + index];
    value->w = esi_box(term.w)[1 + size + index];
    return true;
}

/* The value of `key`; no term if it is no map or has no such key. */
ES_API
es_term es_map_get(es_term map, es_term key);

/* ---- order and equality; any thread, any depth ----
 *
 * Terms of more than 16 levels need memory meanwhile, here and in matching: without it the calling process ends with system_limit,
 * and in a thread that is no process the program ends. */

/* Less than 0, 0 or more than 0, as Erlang orders all terms (1 and 1.0 are equal here):
 * number < atom < reference < fun < port < pid < tuple < map < [] < list < bitstring.
 * Source: Erlang reference manual, "Term Comparisons". */
ES_API
int es_compare(es_term a, es_term b);

/* Exactly equal, Erlang's =:= (1 and 1.0 are not). */
ES_API
bool es_equal(es_term a, es_term b);

/* ---- text ---- */

/* Writes the term as Erlang text, on one line, as ~w would, except that binaries of printable text read <<"abc">>.
 * Works as snprintf: at most `size` bytes with the NUL that ends them, and the full length comes back; ES_ENOMEM for
 * a term of many levels or a large integer. Any thread. */
ES_API
int64_t es_print(char *buffer, size_t size, es_term term);

/* The same to a file. Gives the number of bytes, or ES_EOS (errno tells) or ES_ENOMEM. Any thread. */
ES_API
int64_t es_fprint(FILE *file, es_term term);

/* ---- atoms ---- */

/* The atom with this text (UTF-8, at most 255 characters); makes it if it is new. Atoms are never freed.
 *   ES_EINVAL  not UTF-8
 *   ES_ELIMIT  more than 255 characters, or the table is full (1,048,576 atoms)
 *   ES_ENOMEM
 * Finding one takes no lock. Any thread. */
ES_API
ES_CHECKED es_err es_atom_make(const char *text, size_t length, es_atom *out);

/* The atom with this text if there is one; ES_ENOTFOUND otherwise. For text that comes from the world. Any thread. */
ES_API
ES_CHECKED es_err es_atom_find(const char *text, size_t length, es_atom *out);

/* Its text, which ends in a NUL (and may contain one). Never NULL; lives as long as the program. Async-signal-safe. */
ES_API
const char *es_atom_text(es_atom atom);

/* The length of its text in bytes. Async-signal-safe. */
ES_API
size_t es_atom_length(es_atom atom);

/* For ES_ATOMS alone: makes `count` atoms and writes them. Ends the program if the table is full. */
ES_API
void esi_atoms_declare(es_atom *const *atoms, const char *const *names, size_t count, bool trim);

/* ---- bytes that are shared ---- */

/* Copies `size` bytes once, into memory that any number of terms in any number of processes share: in a literal
 * the result stands for a binary. (A long binary in a message is such bytes already: sending it on copies nothing.)
 * You own one count of `*out` until es_shared_bin_release().
 *   ES_ENOMEM
 * Any thread. */
ES_API
ES_CHECKED es_err es_shared_bin_make(const void *bytes, size_t size, es_shared_bin *out);

/* Gives up your count. Terms that hold the bytes keep them. Any thread. */
ES_API
void es_shared_bin_release(es_shared_bin bin);

/* The bytes, lent for as long as you hold your count. Any thread. */
ES_API
es_bin es_shared_bin_bytes(es_shared_bin bin);

ES_END_DECLS

#include <engset/atoms.h>
#endif

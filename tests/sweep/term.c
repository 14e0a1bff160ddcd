/* term.c - the sweep over engset/base.h, engset/term.h, engset/match.h and what they call. */
#define ES_ANALYZE 1 /* so that each binder is a call */
#include "sweep.h"

ES_ATOMS(r, a_tag, another);

/* Deeper than what is done without memory of its own: {{{1,1},1},1}... */
enum { DEPTH = 3000, DEEP_LENGTH = 4 * DEPTH + 1 };
static char deep_text[DEEP_LENGTH + 1];

static es_term deep_term(void)
{
    es_term term;
    memset(deep_text, '{', DEPTH);
    deep_text[DEPTH] = '1';
    for (int i = 0; i < DEPTH; i++)
        memcpy(deep_text + DEPTH + 1 + 3 * i, ",1}", 3);
    EXPECT(es_parse_term(deep_text, &term) == ES_OK);
    return term;
}

/* ---------------------------------------------------------------- base.h */

SWEEP(es_err_name, TAKES_NOTHING)
{
    EXPECT(strcmp(TRY(es_err_name(ES_ENOMEM)), "ES_ENOMEM") == 0);
}

SWEEP(es_strerror, TAKES_NOTHING)
{
    EXPECT(strcmp(TRY(es_strerror(ES_ENOMEM)), "no memory") == 0);
}

SWEEP(es_version, TAKES_NOTHING)
{
    EXPECT(TRY(es_version()) == ES_VERSION_NUMBER);
}

/* ---------------------------------------------------------------- taking apart */

SWEEP(es_get_bool, TAKES_NOTHING)
{
    bool yes = false;
    EXPECT(TRY(es_get_bool(es_from_atom(es_am_true), &yes)) && yes);
}

SWEEP(es_list_length, TAKES_NOTHING)
{
    EXPECT(TRY(es_list_length(es_lend(ES_LIST(1, 2, 3)))) == 3);
}

SWEEP(es_map_get, TAKES_NOTHING)
{
    es_literal map = ES_MAP(r, 1, a_tag, 2);
    EXPECT(es_match(TRY(es_map_get(es_lend(map), es_from_atom(a_tag))), 2));
}

/* ---------------------------------------------------------------- order */

SWEEP(es_compare, MAY_END)
{
    es_term a = deep_term(), b = deep_term();
    int order = TRY(es_compare(a, b));
    EXPECT(order == 0);
    EXPECT(es_compare(a, b) == 0);
}

SWEEP(es_equal, MAY_END)
{
    es_term a = deep_term(), b = deep_term();
    bool equal = TRY(es_equal(a, b));
    EXPECT(equal);
    EXPECT(es_equal(a, b));
}

/* ---------------------------------------------------------------- text */

SWEEP(es_print, 0)
{
    es_term term = deep_term();
    char *text = es_alloc(DEEP_LENGTH + 1);
    int64_t length = TRY(es_print(text, DEEP_LENGTH + 1, term));
    if (went_well(length))
        EXPECT(length == DEEP_LENGTH);
    EXPECT(es_print(text, DEEP_LENGTH + 1, term) == DEEP_LENGTH && strcmp(text, deep_text) == 0);
}

SWEEP(es_fprint, 0)
{
    es_term term = deep_term();
    FILE *file = tmpfile();
    int64_t length = TRY(es_fprint(file, term));
    if (went_well(length))
        EXPECT(length == DEEP_LENGTH);
    EXPECT(es_fprint(file, term) == DEEP_LENGTH);
    fclose(file);
}

/* ---------------------------------------------------------------- atoms */

enum { ATOMS = 200, ATOM_BYTES = 250 };
static int atoms_made;

static void atom_text(int number, char name[ATOM_BYTES])
{
    memset(name, 'a', ATOM_BYTES);
    int length = snprintf(name, ATOM_BYTES, "atom %d", number);
    name[length] = 'a';
}

/* Enough to need room. Gives the first error. */
static es_err makes_atoms(void)
{
    char name[ATOM_BYTES];
    es_err first_error = ES_OK;
    for (int i = 0; i < ATOMS; i++) {
        es_atom atom, found;
        atom_text(atoms_made++, name);
        es_err error = es_atom_make(name, sizeof name, &atom);
        es_err looked = es_atom_find(name, sizeof name, &found);
        EXPECT(error == ES_OK ? looked == ES_OK && found.w == atom.w : looked == ES_ENOTFOUND);
        if (first_error == ES_OK)
            first_error = error;
        if (error != ES_OK)
            EXPECT(es_atom_make(name, sizeof name, &atom) == ES_OK);
    }
    return first_error;
}

SWEEP(es_atom_make, KEEPS_BLOCKS)
{
    went_well(TRY(makes_atoms()));
}

SWEEP(es_atom_find, TAKES_NOTHING)
{
    es_atom found;
    EXPECT(TRY(es_atom_find("ask", 3, &found)) == ES_OK && es_atom_equal(found, ask));
}

SWEEP(es_atom_text, TAKES_NOTHING)
{
    EXPECT(strcmp(TRY(es_atom_text(ask)), "ask") == 0);
}

SWEEP(es_atom_length, TAKES_NOTHING)
{
    EXPECT(TRY(es_atom_length(ask)) == 3);
}

/* ---------------------------------------------------------------- bytes that are shared */

SWEEP(es_shared_bin_make, 0)
{
    char bytes[500] = "shared";
    es_shared_bin bin;
    if (went_well(TRY(es_shared_bin_make(bytes, sizeof bytes, &bin))))
        es_shared_bin_release(bin);
    EXPECT(es_shared_bin_make(bytes, sizeof bytes, &bin) == ES_OK);
    EXPECT(es_shared_bin_bytes(bin).size == sizeof bytes);
    es_shared_bin_release(bin);
}

SWEEP(es_shared_bin_bytes, TAKES_NOTHING)
{
    es_shared_bin bin;
    EXPECT(es_shared_bin_make("0123", 4, &bin) == ES_OK);
    EXPECT(TRY(es_shared_bin_bytes(bin)).size == 4);
    es_shared_bin_release(bin);
}

SWEEP(es_shared_bin_release, TAKES_NOTHING)
{
    es_shared_bin bin;
    EXPECT(es_shared_bin_make("0123", 4, &bin) == ES_OK);
    TRY_VOID(es_shared_bin_release(bin));
}

/* ---------------------------------------------------------------- matching */

SWEEP(esi_match_any, MAY_END)
{
    es_term a = deep_term(), b = deep_term();
    bool matches = TRY(esi_match_any(a.w, b.w));
    EXPECT(matches);
    EXPECT(esi_match_any(a.w, b.w));
}

SWEEP(es_match_literal, MAY_END)
{
    es_term a = deep_term(), b = deep_term();
    bool matches = TRY(es_match_literal(a, (es_literal){b.w}));
    EXPECT(matches);
    EXPECT(es_match_literal(a, (es_literal){b.w}));
}

SWEEP(esi_bind, TAKES_NOTHING)
{
    int64_t number = 0;
    EXPECT(TRY(esi_bind(es_lend(ES_T(7)).w, ESI_BIND_I64, &number)) && number == 7);
}

SWEEP(esi_map_sort, TAKES_NOTHING)
{
    uint64_t words[] = {ESI_HEADER(ESI_MAP, 2), esi_word_of_small(2), esi_word_of_small(20),
                        esi_word_of_small(1), esi_word_of_small(10)};
    TRY_VOID(esi_map_sort(words));
    EXPECT(words[1] == esi_word_of_small(1) && words[2] == esi_word_of_small(2) &&
           words[3] == esi_word_of_small(10));
}

/* The binders, as an analyser sees them. */
#define BINDER(name, type, value, is_bound)                                    \
    SWEEP(name, TAKES_NOTHING)                                                 \
    {                                                                          \
        esi_cell cell;                                                         \
        type x = {0};                                                          \
        es_literal pattern = TRY(name(&cell, &x));                             \
        EXPECT(es_match_literal(es_lend(ES_T(value)), pattern) && (is_bound)); \
    }
BINDER(esi_bt, es_term, 5, es_is_integer(x))
BINDER(esi_ba, es_atom, r, es_atom_equal(x, r))
BINDER(esi_bp, es_pid, es_self(), es_pid_equal(x, es_self()))
BINDER(esi_br, es_ref, es_make_ref(), x.id != 0)
BINDER(esi_bo, es_port, ((es_port){7, 3, 1}), x.id == 7)
BINDER(esi_by, es_bin, "bytes", x.size == 5)
BINDER(esi_bb, bool, true, x)
BINDER(esi_bi, int, 7, x == 7)
BINDER(esi_bl, long, 7, x == 7)
BINDER(esi_bL, long long, 7, x == 7)
BINDER(esi_bu, unsigned, 7, x == 7)
BINDER(esi_bm, unsigned long, 7, x == 7)
BINDER(esi_bM, unsigned long long, 7, x == 7)
BINDER(esi_bd, double, 7.5, x > 7)

int main(int argc, char **argv)
{
    return sweep_all(argc, argv);
}

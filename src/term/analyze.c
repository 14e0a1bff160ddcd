/* analyze.c - what engset/match.h only declares for static analysers, for programs that were built like that. */
#define ES_ANALYZE
#include <engset/match.h>

#define BINDER(name, type, kind)                                       \
    es_literal name(esi_cell *cell, type *variable)                    \
    {                                                                  \
        cell->w[0] = kind;                                             \
        cell->w[1] = (uint64_t)(uintptr_t)variable;                    \
        return ESI_LITERAL(esi_word_of_box(cell->w) + ESI_TAG_BINDER); \
    }
BINDER(esi_bt, es_term, ESI_BIND_TERM)
BINDER(esi_ba, es_atom, ESI_BIND_ATOM)
BINDER(esi_bp, es_pid, ESI_BIND_PID)
BINDER(esi_br, es_ref, ESI_BIND_REF)
BINDER(esi_bo, es_port, ESI_BIND_PORT)
BINDER(esi_by, es_bin, ESI_BIND_BIN)
BINDER(esi_bb, bool, ESI_BIND_BOOL)
BINDER(esi_bd, double, ESI_BIND_DOUBLE)
BINDER(esi_bi, int, ESI_BIND_I32)
BINDER(esi_bu, unsigned, ESI_BIND_U32)
BINDER(esi_bl, long, ESI_BIND_I64)
BINDER(esi_bL, long long, ESI_BIND_I64)
BINDER(esi_bm, unsigned long, ESI_BIND_U64)
BINDER(esi_bM, unsigned long long, ESI_BIND_U64)

bool es_match_literal(es_term term, es_literal pattern)
{
    return esi_match_any(term.w, pattern.w);
}

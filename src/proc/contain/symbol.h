/* proc/contain/symbol.h - the name of a place in code.
 *
 * From the symbol table of the module's file, so that static functions have names, and from its line table where there is one. Reads files
 * and takes locks: not for signal handlers. */
#ifndef PROC_CONTAIN_SYMBOL_H
#define PROC_CONTAIN_SYMBOL_H

#include <stdbool.h>
#include <stdint.h>
#include "base/text.h"

struct esi_symbol {
    char function[96]; /* "" when unknown */
    uint64_t offset;   /* from the function's start, or from the module's base when the function is unknown */
    bool is_global;    /* the function can be named outside its module */
    char module[48];   /* "" when `pc` is in no module */
    char file[128];    /* "" when unknown */
    int line;          /* 0 when unknown */
};

/* Finds what is known about `pc`; of a return address give the address before it (pc - 1). Fills in file and line only when `wants_line`,
 * which costs more. A thread in the runtime. */
void esi_symbol_find(uintptr_t pc, bool wants_line, struct esi_symbol *out);

/* Appends "function+0x1c in module", "module+0x1234", or "0x7f..." */
void esi_symbol_text(const struct esi_symbol *symbol, uintptr_t pc, struct esi_text *text);

/* The same and, when it is known, " (src/kv.c:41)". */
void esi_symbol_text_and_line(const struct esi_symbol *symbol, uintptr_t pc, struct esi_text *text);

/* Gives cached tables back. No process runs any more. */
void esi_symbols_stop(void);

#endif

/* proc/contain/where.c - keeps the texts of places by their address. */
#include "proc/contain/where.h"

#include "proc/contain/module.h"
#include "proc/contain/symbol.h"
#include "proc/contain/trail.h"

static bool is_it(const struct esi_where *where, uintptr_t pc, void (*function)(void))
{
    return where->pc == pc && pc && where->function == function &&
           where->generation == esi_modules_generation();
}

const struct esi_where *esi_where_of(struct esi_where *known, uintptr_t pc, void (*function)(void))
{
    struct esi_where *where = &known[(pc ^ pc >> 4) % ESI_WHERE_KNOWN];
    if (is_it(where, pc, function))
        return where;
    struct esi_symbol symbol;
    struct esi_text text;
    uintptr_t place = esi_place_for_people(pc, function);
    unsigned generation =
        esi_modules_generation(); /* before the look: what changes meanwhile makes it void */
    esi_text_init(&text, where->text, sizeof where->text);
    esi_symbol_find(place, false, &symbol);
    esi_symbol_text(&symbol, place, &text);
    /* A place in no module may be in one the next time. */
    where->pc = symbol.module[0] ? pc : 0;
    where->function = function;
    where->generation = generation;
    where->length = (uint32_t)text.length;
    return where;
}

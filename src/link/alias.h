/* link/alias.h - references that others may send to. The public half is in engset/link.h. */
#ifndef LINK_ALIAS_H
#define LINK_ALIAS_H

#include <engset/link.h>
#include "proc/process.h"

/* From now on `ref_id`, a reference of `self`, is an alias. On behalf of `self`. ES_ENOMEM. */
ES_CHECKED es_err esi_alias_make(struct esi_process *self, uint64_t ref_id, es_alias_mode mode);

/* The monitor `ref_id` of `self` is gone, by es_demonitor() or by its DOWN: an alias that lives as long as it goes, too. */
void esi_alias_demonitored(struct esi_process *self, uint64_t ref_id);

/* A message came through the alias `ref_id`: may it in? A one-shot alias is gone afterwards. On behalf of `self`. */
bool esi_alias_admits(struct esi_process *self, uint64_t ref_id);

#endif

/* exchange/attack.h - what attacks the exchange: a killer (attack.c), and an injector of bugs (injector.c).
 *
 *   attack.kills    processes anywhere in the tree that are killed each second
 *   attack.crashes  processes of calls that are made to crash each second, each by one of five bugs */
#ifndef EXCHANGE_ATTACK_H
#define EXCHANGE_ATTACK_H

#include <engset.h>

extern const es_behaviour killer_server, injector_server;

/* A setting of the application `attack`, a number. Process only. */
int64_t attack_setting(const char *name);

#endif

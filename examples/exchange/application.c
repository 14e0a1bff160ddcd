/* exchange/application.c - the exchange as an application: its settings, its tree, its end in order.
 *
 *   port      where it listens, on 127.0.0.1; 0: any
 *   uas_port  who is not registered is at this port; 0: nowhere
 *   log       the journal's file; "": stderr
 *   quiet     no screen, only the summary */
#include "exchange.h"

ES_APPLICATION(exchange, .version = "1.0.0", .supervisor = &exchange_root, .prep_stop = exchange_close,
               .env = "#{port => 5060, uas_port => 0, log => <<>>, quiet => false}");

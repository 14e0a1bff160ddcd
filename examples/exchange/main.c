/* exchange/main.c - the exchange, and nothing else. It runs until SIGTERM or SIGINT, and then hangs up.
 *
 *   exchange --set exchange.port=5070 --set 'exchange.log=<<"journal.log">>' */
#include "exchange.h"

extern const es_application exchange_application;

int main(int argc, char **argv)
{
    return es_application_run(&exchange_application, (es_args){argc, argv},
                              &(es_options){.name = "exchange"});
}

/* consumer_tls.c - the smallest program that uses an installed libengset-tls. */
#include <engset.h>
#include <engset/tls.h>

ES_MAIN(args)
{
    if (es_tls_client_context(NULL) <= 0)
        es_halt(1);
}

/* smoke.c - the library links, answers, and is the version its header says.
 *
 * Needs no test framework, so that the minimal build can run it. */
#include <engset/base.h>
#include <stdio.h>
#include <string.h>

int main(void)
{
    if (es_version() != ES_VERSION_NUMBER) {
        fprintf(stderr, "es_version() is %d, the header says %d\n", es_version(), ES_VERSION_NUMBER);
        return 1;
    }
    if (strcmp(es_err_name(ES_ENOMEM), "ES_ENOMEM") != 0) {
        fprintf(stderr, "es_err_name(ES_ENOMEM) is %s\n", es_err_name(ES_ENOMEM));
        return 1;
    }
    return 0;
}

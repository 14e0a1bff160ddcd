/* consumer.c - the smallest program that uses an installed Engset. */
#include <engset.h>
#include <stdio.h>

int main(void)
{
    printf("%d %s\n", es_version(), es_strerror(ES_OK));
    return es_version() == ES_VERSION_NUMBER ? 0 : 1;
}

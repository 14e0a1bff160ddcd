/* hello.c - two processes: one greets, the other answers. */
#include <engset.h>
ES_ATOMS(hello, world);
static void greeter(void)
{
    es_pid from;
    es_receive
        es_case(ES_TUPLE(hello, &from))
            es_send(from, world);
}

ES_MAIN(args)
{
    es_send(es_spawn(greeter), ES_TUPLE(hello, es_self()));
    es_receive
        es_case(world)
            puts("hello, world");
}

/* Prints: hello, world */

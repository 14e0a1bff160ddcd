/* crowd.c - many processes that all talk: a tree of them, all to all, and all to one. */
#include "bench.h"

ES_ATOMS(sum, begin, ping, pong, ready, stop, meet, met, done);

static es_pid starter;

/* ------------------------------------------------------------------ skynet */

enum { CHILDREN = 10 };

static void node(es_term argument)
{
    es_pid parent;
    int64_t first, size, total = 0, part = 0;
    expect(es_match(argument, ES_TUPLE(&parent, &first, &size)));
    if (size == 1) {
        es_send(parent, ES_TUPLE(sum, first));
        return;
    }
    for (int i = 0; i < CHILDREN; i++)
        es_spawn(node, ES_TUPLE(es_self(), first + i * (size / CHILDREN), size / CHILDREN));
    for (int i = 0; i < CHILDREN; i++) {
        es_receive
            es_case(ES_TUPLE(sum, &part)) {
            }
        total += part;
    }
    es_send(parent, ES_TUPLE(sum, total));
}

double skynet(int64_t leaves)
{
    int64_t total = 0;
    int64_t start_ns = es_now_ns();
    es_spawn(node, ES_TUPLE(es_self(), 0, leaves));
    es_receive
        es_case(ES_TUPLE(sum, &total)) {
        }
    expect(total == leaves * (leaves - 1) / 2);
    return since(start_ns, leaves);
}

/* --------------------------------------------------------------------- big */

enum { CROWD = 200 };

static es_pid crowd[CROWD];

/* Everyone pings others by turns of chance and serves until its pong comes; then until all are done. */
static void big_member(es_term argument)
{
    int64_t number, pings, served = 0;
    uint32_t chance;
    bool waits, is_over = false;
    es_pid from;
    expect(es_match(argument, ES_TUPLE(&number, &pings)));
    chance = (uint32_t)number;
    es_receive
        es_case(begin) {
        }
    for (int64_t left = pings; !is_over; left--) {
        if (left > 0) {
            chance = chance * 69069 + 1;
            int64_t other = (chance >> 16) % (CROWD - 1);
            es_send(crowd[other < number ? other : other + 1], ES_TUPLE(ping, es_self()));
        } else {
            es_send(starter, ready);
        }
        for (waits = true; waits;)
            es_receive {
                es_case(ES_TUPLE(ping, &from)) {
                    es_send(from, pong);
                    served++;
                }
                es_case(pong)
                    waits = false;
                es_case(stop) {
                    is_over = true;
                    waits = false;
                }
            }
    }
    es_send(starter, ES_TUPLE(done, served));
}

double big(int64_t count)
{
    int64_t pings = count / 2 / CROWD, total = 0, served = 0;
    starter = es_self();
    for (int i = 0; i < CROWD; i++)
        crowd[i] = es_spawn(big_member, ES_TUPLE(i, pings));
    int64_t start_ns = es_now_ns();
    for (int i = 0; i < CROWD; i++)
        es_send(crowd[i], begin);
    for (int i = 0; i < CROWD; i++)
        es_receive
            es_case(ready) {
            }
    double figure = since(start_ns, 2 * CROWD * pings);
    for (int i = 0; i < CROWD; i++)
        es_send(crowd[i], stop);
    for (int i = 0; i < CROWD; i++) {
        es_receive
            es_case(ES_TUPLE(done, &served)) {
            }
        total += served;
    }
    expect(total == CROWD * pings);
    return figure;
}

/* --------------------------------------------------------------- chameneos */

enum { CREATURES = 100 };

/* What a creature becomes by meeting one of the `other` colour: itself if both are alike, else the third. */
static int64_t complement(int64_t mine, int64_t other)
{
    return mine == other ? mine : 3 - mine - other;
}

static void creature(es_term argument)
{
    int64_t colour, other, meetings = 0;
    es_pid mall, who;
    expect(es_match(argument, ES_TUPLE(&mall, &colour)));
    for (bool is_over = false; !is_over;) {
        es_send(mall, ES_TUPLE(meet, es_self(), colour));
        es_receive {
            es_case(ES_TUPLE(met, &who, &other)) {
                expect(!es_pid_equal(who, es_self()));
                colour = complement(colour, other);
                meetings++;
            }
            es_case(stop)
                is_over = true;
        }
    }
    es_send(starter, ES_TUPLE(done, meetings));
}

static void mall(es_term argument)
{
    int64_t left, first_colour = 0, second_colour = 0;
    es_pid first, second;
    expect(es_match(argument, &left));
    for (; left > 0; left--) {
        es_receive
            es_case(ES_TUPLE(meet, &first, &first_colour)) {
            }
        es_receive
            es_case(ES_TUPLE(meet, &second, &second_colour)) {
            }
        es_send(first, ES_TUPLE(met, second, second_colour));
        es_send(second, ES_TUPLE(met, first, first_colour));
    }
    for (int i = 0; i < CREATURES; i++)
        es_receive
            es_case(ES_TUPLE(meet, &first, ES_ANY))
                es_send(first, stop);
}

double chameneos(int64_t count)
{
    int64_t total = 0, meetings = 0;
    starter = es_self();
    int64_t start_ns = es_now_ns();
    es_pid place = es_spawn(mall, count);
    for (int i = 0; i < CREATURES; i++)
        es_spawn(creature, ES_TUPLE(place, i % 3));
    for (int i = 0; i < CREATURES; i++) {
        es_receive
            es_case(ES_TUPLE(done, &meetings)) {
            }
        total += meetings;
    }
    expect(total == 2 * count);
    return since(start_ns, count);
}

/* typed.c - parcels go round a ring as typed messages, are kept, freed, turned into tuples and back, and their carriers end on the way: each is in one
 * hand at a time, arrives as it was given, and takes no memory in the end. */
#include "scenario.h"

ES_ATOMS(hello, go, settle, settled, parcel_);

typedef struct parcel {
    int32_t id, hops;
    uint8_t bytes[40];
} parcel;
ES_STRUCT(parcel, id, hops, bytes);

enum { CARRIERS = 5, PARCELS = 60, KEPT = 4, LIFE_MS = 1200 };

/* Where each parcel is: in somebody's hand, on its way to somebody, or nowhere. */
static struct {
    int hand, to, hops;
} parcels[PARCELS];
static int parcel_count;

static struct carrier {
    es_pid pid;
    es_ref ref;
    bool is_told_of, is_clumsy;
    int64_t memory_bytes;
} carriers[CARRIERS];
static es_pid conductor;

static void take_in(int me, const parcel *p)
{
    bool is_known = p->id >= 0 && p->id < parcel_count;
    CHECK(is_known && parcels[p->id].to == me && parcels[p->id].hand < 0, "%d came to %d", p->id, me);
    if (!is_known)
        return;
    CHECK(p->hops == parcels[p->id].hops, "%d after %d hops", p->id, p->hops);
    for (size_t i = 0; i < sizeof p->bytes; i++)
        CHECK(p->bytes[i] == (uint8_t)(p->id + p->hops), "%d is not as it was", p->id);
    parcels[p->id].hand = me;
    parcels[p->id].to = -1;
}

static void send_off(int me, parcel *p)
{
    int to = chance(CARRIERS), id = p->id;
    CHECK(parcels[id].hand == me, "%d is not in this hand", id);
    p->hops = ++parcels[id].hops;
    memset(p->bytes, (uint8_t)(id + p->hops), sizeof p->bytes);
    parcels[id].hand = -1;
    parcels[id].to = to;
    if (chance(5) == 0) { /* as a tuple; what it was is freed */
        SEND(carriers[to].pid, ES_TUPLE(parcel_, p->id, p->hops, es_bytes(p->bytes, sizeof p->bytes)));
        es_free(p);
        return;
    }
    es_give(carriers[to].pid, p);
    if (carriers[me].is_clumsy && chance(30) == 0)
        es_free(*(parcel *volatile *)&p);
}

static void put_down(int me, parcel *p)
{
    parcels[p->id].hand = parcels[p->id].to = -1;
    es_free(p);
    (void)me;
}

static void make_one(int me)
{
    if (parcel_count == PARCELS)
        return;
    int id = parcel_count++;
    parcel *p = es_new(parcel);
    p->id = id;
    parcels[id].hand = me;
    send_off(me, p);
}

static void keep_or_send(int me, parcel **kept, parcel *p)
{
    int place = chance(KEPT);
    if (kept[place])
        send_off(me, kept[place]);
    kept[place] = p;
    if (chance(20) == 0) {
        put_down(me, kept[place]);
        kept[place] = NULL;
    }
}

static void carries(struct carrier *self)
{
    int me = (int)(self - carriers);
    parcel *kept[KEPT] = {NULL};
    self->pid = es_self();
    SEND(conductor, ES_TUPLE(hello, me));
    es_receive
        es_case(go) {
        }
    for (int i = 0; i < 5; i++)
        make_one(me);
    for (int64_t end_ns = es_now_ns() + LIFE_MS * INT64_C(1000000); es_now_ns() < end_ns;) {
        es_receive {
            es_case_struct(parcel, in) {
                take_in(me, in);
                keep_or_send(me, kept, in);
            }
            es_after(1 + chance(20))
                make_one(me);
        }
    }
    for (int i = 0; i < KEPT; i++)
        if (kept[i])
            put_down(me, kept[i]);
    for (bool is_settled = false; !is_settled;)
        es_receive {
            es_case_struct(parcel, in) {
                take_in(me, in);
                put_down(me, in);
            }
            es_case(settle)
                is_settled = true;
        }
    SEND(conductor, ES_TUPLE(settled, me));
    es_receive
        es_case(go) {
        }
}

/* ------------------------------------------------------------ the conductor */

static void wait_for(struct carrier *one, es_atom word)
{
    es_term reason;
    if (one->is_told_of)
        return;
    es_receive {
        es_case(ES_TUPLE(word, (int)(one - carriers))) {
        }
        es_case(ES_TUPLE(es_am_DOWN, one->ref, ES_ANY, ES_ANY, &reason)) {
            one->is_told_of = true;
            CHECK(is_struck(reason) || (one->is_clumsy && es_match(reason, ES_TUPLE(ES_ANY, ES_ANY))), "%s",
                  shown(reason));
        }
    }
}

/* 0: it is gone, or frozen. */
static int64_t memory_of(const struct carrier *one)
{
    es_info info;
    es_sleep(1); /* the clock moves when all wait */
    return es_process_info(one->pid, &info) && info.state == ES_STATE_WAITING ? info.memory_bytes : 0;
}

static void conducts(void *unused)
{
    (void)unused;
    conductor = es_self();
    for (int i = 0; i < CARRIERS; i++) {
        carriers[i].is_clumsy = i == 0;
        carriers[i].pid = es_spawn_opt(ES_WITH(.monitor = &carriers[i].ref), carries, &carriers[i]);
    }
    for (int i = 0; i < CARRIERS; i++)
        wait_for(&carriers[i], hello);
    for (int i = 0; i < CARRIERS; i++)
        carriers[i].memory_bytes = memory_of(&carriers[i]);
    for (int i = 0; i < CARRIERS; i++)
        es_send(carriers[i].pid, go);
    wait_until_faults_are_over();
    es_sleep(LIFE_MS);
    for (int i = 0; i < CARRIERS; i++) {
        es_send(carriers[i].pid, settle);
        wait_for(&carriers[i], settled);
    }
    for (int i = 0; i < CARRIERS; i++) {
        int64_t memory_bytes = memory_of(&carriers[i]);
        CHECK(!memory_bytes || !carriers[i].memory_bytes || memory_bytes == carriers[i].memory_bytes,
              "%d has %lld bytes, and had %lld", i, (long long)memory_bytes,
              (long long)carriers[i].memory_bytes);
    }
}

int main(void)
{
    return play(conducts, ES_FAULTS_ORDER | ES_FAULTS_PROCESSES);
}

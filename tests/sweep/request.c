/* request.c - the sweep over engset/request.h. */
#include "sweep.h"

ES_ATOMS(first, r);

/* Whom it asks never was there: the answer is a DOWN. */
static es_pid nobody(void)
{
    return dead_pid();
}

SWEEP(esi_send_request, MAY_END)
{
    es_term out = es_none();
    es_request id = TRY(es_send_request(nobody(), ES_TUPLE(r, 1)));
    EXPECT(es_receive_response(id, ES_INFINITY, &out) == ES_ECLOSED);
}

SWEEP(es_receive_response, MAY_END)
{
    es_term out = es_none();
    es_request id = es_send_request(nobody(), r);
    EXPECT(TRY(es_receive_response(id, ES_INFINITY, &out)) == ES_ECLOSED);
}

SWEEP(es_wait_response, MAY_END)
{
    es_term out = es_none();
    es_request id = es_send_request(nobody(), r);
    EXPECT(TRY(es_wait_response(id, ES_INFINITY, &out)) == ES_ECLOSED);
}

SWEEP(esi_check_response, MAY_END)
{
    es_term out = es_none();
    es_request id = es_send_request(nobody(), r);
    EXPECT(TRY(es_check_response(es_lend(ES_TUPLE(ES_CONS(es_am_alias, id.ref), ES_TUPLE(r, 1))), id,
                                 &out)) == ES_OK);
}

SWEEP(es_requests_new, MAY_END)
{
    es_requests *set = TRY(es_requests_new());
    EXPECT(es_requests_size(set) == 0);
}

static es_requests *set_of_one(void)
{
    es_requests *set = es_requests_new();
    es_requests_add(set, es_send_request(nobody(), r), ES_TUPLE(first, 1));
    return set;
}

SWEEP(es_requests_free, TAKES_NOTHING)
{
    es_requests *set = set_of_one();
    TRY_VOID(es_requests_free(set));
}

SWEEP(es_requests_size, TAKES_NOTHING)
{
    es_requests *set = set_of_one();
    EXPECT(TRY(es_requests_size(set)) == 1);
}

SWEEP(es_requests_list, TAKES_NOTHING)
{
    es_request id;
    es_term label;
    es_requests *set = set_of_one();
    EXPECT(TRY(es_requests_list(set, &id, &label, 1)) == 1);
}

SWEEP(esi_requests_add, MAY_END)
{
    es_requests *set = es_requests_new();
    es_request id = es_send_request(nobody(), r);
    EXPECT(TRY(es_requests_add(set, id, ES_TUPLE(first, 1))) == ES_OK);
}

SWEEP(es_requests_receive, MAY_END)
{
    es_response response;
    es_requests *set = set_of_one();
    EXPECT(TRY(es_requests_receive(set, ES_INFINITY, true, &response)) == ES_ECLOSED);
}

SWEEP(es_requests_wait, MAY_END)
{
    es_response response;
    es_requests *set = set_of_one();
    EXPECT(TRY(es_requests_wait(set, ES_INFINITY, true, &response)) == ES_ECLOSED);
}

SWEEP(esi_requests_check, MAY_END)
{
    es_request id;
    es_response response;
    es_requests *set = set_of_one();
    es_requests_list(set, &id, NULL, 1);
    EXPECT(TRY(es_requests_check(set, es_lend(ES_TUPLE(ES_CONS(es_am_alias, id.ref), ES_TUPLE(r, 1))), true,
                                 &response)) == ES_OK);
}

SWEEP(esi_multi_call, MAY_END)
{
    es_term both = TRY(es_multi_call(ES_LIST(es_am_nonode_nohost), first, ES_TUPLE(r, 1), ES_INFINITY));
    EXPECT(es_match(both, ES_TUPLE(ES_NIL, ES_LIST(es_am_nonode_nohost))));
}

int main(int argc, char **argv)
{
    return sweep_all(argc, argv);
}

/* requests.c - sets of requests: see engset/request.h. */
#include <engset/link.h>
#include <engset/receive.h>
#include "base/list.h"
#include "base/map.h"
#include "behaviour/request.h"

struct member {
    struct esi_map_node node; /* under the reference's id, which grows with each that is sent */
    es_request request;
    es_term label; /* its own */
};

struct es_requests {
    struct esi_map members;
    int64_t count;
};

static struct member *member_at(struct esi_map_node *node)
{
    return ESI_CONTAINER_OF(node, struct member, node);
}

static struct member *find(const es_requests *set, es_ref ref)
{
    struct esi_map_node *node = esi_map_find(&set->members, (struct esi_key){ref.id, 0});
    return node && es_ref_equal(member_at(node)->request.ref, ref) ? member_at(node) : NULL;
}

static void drop_member(es_requests *set, struct member *member)
{
    esi_map_remove(&set->members, &member->node);
    set->count--;
    es_drop(member->label);
    es_free(member);
}

es_requests *es_requests_new(void)
{
    return es_alloc(sizeof(es_requests));
}

void es_requests_free(es_requests *set)
{
    for (struct esi_map_node *node; set && (node = esi_map_first(&set->members));)
        drop_member(set, member_at(node));
    es_free(set);
}

int64_t es_requests_size(const es_requests *set)
{
    return set->count;
}

es_err esi_requests_add(es_requests *set, es_request request, es_term label)
{
    struct member *member = es_alloc(sizeof *member);
    if (!esi_map_insert(&set->members, &member->node, (struct esi_key){request.ref.id, 0})) {
        es_free(member);
        return es_fail(ES_EEXIST, "requests: it is in the set already");
    }
    member->request = request;
    member->label = es_none();
    set->count++;
    member->label = es_keep(label);
    return ES_OK;
}

int64_t es_requests_list(const es_requests *set, es_request *requests, es_term *labels, int64_t max)
{
    int64_t i = 0;
    for (struct esi_map_node *node = esi_map_first(&set->members); node && i < max;
         node = esi_map_next_after(&set->members, node->key), i++) {
        if (requests)
            requests[i] = member_at(node)->request;
        if (labels)
            labels[i] = member_at(node)->label;
    }
    return set->count;
}

/* ------------------------------------------------------------ answers */

static void respond(es_requests *set, es_ref ref, es_term answer, bool is_delete, es_response *out)
{
    struct member *member = find(set, ref);
    *out = (es_response){member->request, es_keep(member->label), es_keep(answer)};
    if (is_delete)
        drop_member(set, member);
}

es_err esi_requests_check(es_requests *set, es_term message, bool is_delete, es_response *out)
{
    es_term answer;
    es_ref ref;
    if (es_match(message, ES_TUPLE(ES_CONS(es_am_alias, &ref), &answer)) && find(set, ref)) {
        respond(set, ref, answer, is_delete, out);
        return ES_OK;
    }
    if (es_match(message, ES_TUPLE(es_am_DOWN, &ref, es_am_process, ES_ANY, &answer)) && find(set, ref)) {
        respond(set, ref, answer, is_delete, out);
        return es_fail(ES_ECLOSED, "response: who was asked is not there, or ended");
    }
    return ES_ENOTFOUND;
}

es_err es_requests_wait(es_requests *set, int64_t timeout_ms, bool is_delete, es_response *out)
{
    es_term answer;
    es_ref ref;
    es_err error = ES_OK;
    if (es_pid_is_none(es_self()))
        return es_fail(ES_ENOPROC, "response: only a process may wait for it");
    if (!set->count)
        return es_fail(ES_ENOTFOUND, "response: there is no request to wait for");
    es_receive {
        es_case_when(ES_TUPLE(ES_CONS(es_am_alias, &ref), &answer), find(set, ref))
            respond(set, ref, answer, is_delete, out);
        es_case_when(ES_TUPLE(es_am_DOWN, &ref, es_am_process, ES_ANY, &answer), find(set, ref)) {
            respond(set, ref, answer, is_delete, out);
            error = es_fail(ES_ECLOSED, "response: who was asked is not there, or ended");
        }
        es_after(timeout_ms)
            error = es_fail(ES_ETIMEOUT, "response: no answer in time");
    }
    return error;
}

/* Answers that came before their requests were given up. */
static void flush(es_requests *set)
{
    es_ref ref;
    for (bool is_over = false; !is_over;)
        es_receive {
            es_case_when(ES_TUPLE(ES_CONS(es_am_alias, &ref), ES_ANY), find(set, ref)) {
            }
            es_after(0)
                is_over = true;
        }
}

es_err es_requests_receive(es_requests *set, int64_t timeout_ms, bool is_delete, es_response *out)
{
    es_err error = es_requests_wait(set, timeout_ms, is_delete, out);
    if (error != ES_ETIMEOUT)
        return error;
    for (struct esi_map_node *node = esi_map_first(&set->members); node;
         node = esi_map_next_after(&set->members, node->key))
        esi_request_abandon(member_at(node)->request);
    flush(set);
    while (set->count)
        drop_member(set, member_at(esi_map_first(&set->members)));
    return error;
}

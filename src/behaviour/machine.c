/* machine.c - see machine.h. */
#include "behaviour/machine.h"

/* ------------------------------------------------------------ lines */

static void push(struct esi_line *line, struct esi_pending *p)
{
    p->next = NULL;
    if (line->last)
        line->last->next = p;
    else
        line->first = p;
    line->last = p;
}

static struct esi_pending *pop(struct esi_line *line)
{
    struct esi_pending *p = line->first;
    if (!p)
        return NULL;
    line->first = p->next;
    if (!line->first)
        line->last = NULL;
    return p;
}

/* `front` comes before all that is in `line`, and is empty then. */
static void put_before(struct esi_line *line, struct esi_line *front)
{
    if (!front->first)
        return;
    front->last->next = line->first;
    line->first = front->first;
    if (!line->last)
        line->last = front->last;
    *front = (struct esi_line){0};
}

static bool is_same(const es_event *a, const es_event *b)
{
    return a->type == b->type && (a->type != ES_EVENT_NAMED_TIMEOUT || es_equal(a->name, b->name));
}

/* The link that leads to the time-out of that kind and name: its target is NULL if there is none. */
static struct esi_pending **find(struct esi_line *line, const es_event *like)
{
    struct esi_pending **link = &line->first;
    for (; *link; link = &(*link)->next)
        if (is_same(&(*link)->event, like))
            break;
    return link;
}

/* Takes what `link` leads to out of `line`, which it leads through; NULL: nothing. */
static struct esi_pending *take(struct esi_line *line, struct esi_pending **link)
{
    struct esi_pending *p = *link;
    if (!p)
        return NULL;
    *link = p->next;
    if (line->last == p) {
        line->last = NULL;
        for (struct esi_pending *it = line->first; it; it = it->next)
            line->last = it;
    }
    return p;
}

/* ------------------------------------------------------------ time-outs */

static void end(struct esi_plan *plan, struct esi_pending *p)
{
    if (!p)
        return;
    p->next = plan->over;
    plan->over = p;
}

static void cancel(struct esi_machine *m, struct esi_plan *plan, const es_event *like)
{
    end(plan, take(&m->running, find(&m->running, like)));
    end(plan, take(&m->due, find(&m->due, like)));
}

/* `new` takes the place of the old one and its timer. False: there is none. */
static bool takes_place(struct esi_line *line, struct esi_plan *plan, struct esi_pending *new)
{
    struct esi_pending **link = find(line, &new->event), *old = *link;
    if (!old)
        return false;
    new->timer = old->timer;
    new->next = old->next;
    *link = new;
    if (line->last == old)
        line->last = new;
    old->timer = (es_ref){0};
    end(plan, old);
    return true;
}

static void update(struct esi_machine *m, struct esi_plan *plan, struct esi_pending *new)
{
    if (takes_place(&m->running, plan, new) || takes_place(&m->due, plan, new))
        return;
    push(&m->due, new);
}

/* One that a callback wants begins, or what it means happens. */
static void apply(struct esi_machine *m, struct esi_plan *plan, struct esi_pending *p)
{
    if (p->time_ms == ES_UPDATE) {
        update(m, plan, p);
        return;
    }
    cancel(m, plan, &p->event);
    if (p->time_ms == ES_INFINITY) {
        end(plan, p);
    } else if (p->time_ms == 0) {
        push(&m->due, p);
    } else {
        push(&m->running, p);
        if (!plan->start)
            plan->start = p;
    }
}

/* ------------------------------------------------------------ transitions */

void esi_machine_insert(struct esi_machine *m, struct esi_pending *event)
{
    push(&m->inserted, event);
}

struct esi_pending *esi_machine_want(struct esi_machine *m, struct esi_pending *timeout)
{
    struct esi_pending *before = take(&m->wanted, find(&m->wanted, &timeout->event));
    push(&m->wanted, timeout);
    return before;
}

struct esi_plan esi_machine_move(struct esi_machine *m, struct esi_pending *event, bool changes)
{
    struct esi_plan plan = {0};
    if (event && m->postpones)
        push(&m->postponed, event);
    else
        end(&plan, event);
    m->postpones = false;
    cancel(m, &plan, &(es_event){.type = ES_EVENT_TIMEOUT});
    if (changes) {
        cancel(m, &plan, &(es_event){.type = ES_EVENT_STATE_TIMEOUT});
        put_before(&m->queue, &m->postponed);
    }
    for (struct esi_pending *p; (p = pop(&m->wanted));)
        apply(m, &plan, p);
    put_before(&m->queue, &m->inserted);
    return plan;
}

struct esi_pending *esi_machine_next(struct esi_machine *m)
{
    struct esi_pending *p = pop(&m->queue);
    return p ? p : pop(&m->due);
}

struct esi_pending *esi_machine_fired(struct esi_machine *m, es_ref timer)
{
    for (struct esi_pending **link = &m->running.first; *link; link = &(*link)->next)
        if (es_ref_equal((*link)->timer, timer)) {
            struct esi_pending *p = take(&m->running, link);
            p->timer = (es_ref){0};
            return p;
        }
    return NULL;
}

bool esi_machine_is_empty(const struct esi_machine *m)
{
    return !m->queue.first && !m->postponed.first && !m->due.first && !m->running.first;
}

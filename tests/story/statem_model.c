/* statem_model.c - state machines that do what chance says, against a model of what OTP's would do.
 *
 * What a callback does follows from a number, how many ran before, and what it got: so the machine, with functions or with a handler, and the
 * model decide alike, and must see the same events in the same states. Messages come at times that are multiples of 8 ms; each kind of time-out ends
 * at times of a rest of its own, so that no two things happen at once. The clock is virtual. */
#include <engset/statem.h>
#include "story.h"
#include "base/random.h"

enum {
    STATES = 3,
    KINDS = 4,
    MOST = 512,
    CALLS_MOST = 60,
    OPERATIONS = 6,
    STEP_MS = 8,
    WANTS = 3,
    INSERTS = 2
};
enum { KEEP = -1, REPEAT = -2 };
enum what { FOR_A_TIME, AT_ONCE, UPDATE, CANCEL };

/* ------------------------------------------------------------ decisions */

struct event {
    es_event_type type;
    int name, label; /* of a named time-out; which event it is */
};

struct want {
    int kind, label; /* 0: state, 1: event, 2 and 3: named 0 and 1 */
    enum what what;
    int64_t ms;
};

struct decision {
    int next, inserts, wants;
    bool postpones;
    struct event insert[INSERTS];
    struct want want[WANTS];
};

static uint64_t mixed(uint64_t a, uint64_t b)
{
    return esi_random_splitmix(&(uint64_t){a ^ esi_random_splitmix(&b)});
}

/* 0 to n - 1. */
static int draw(uint64_t *chance, int n)
{
    return (int)(esi_random_splitmix(chance) >> 33) % n;
}

static struct event event_of_kind(int kind, int label)
{
    static const es_event_type types[KINDS] = {ES_EVENT_STATE_TIMEOUT, ES_EVENT_TIMEOUT,
                                               ES_EVENT_NAMED_TIMEOUT, ES_EVENT_NAMED_TIMEOUT};
    return (struct event){types[kind], kind == 3, label};
}

static void decide_wants(uint64_t *chance, struct decision *d, int calls, int64_t now_ms)
{
    d->wants = draw(chance, 2) ? draw(chance, WANTS + 1) : 0;
    for (int i = 0; i < d->wants; i++) {
        struct want *w = &d->want[i];
        *w = (struct want){.kind = draw(chance, KINDS), .label = calls * 8 + i, .what = FOR_A_TIME};
        int choice = draw(chance, 8);
        if (choice < 3)
            w->what = choice == 0 ? AT_ONCE : choice == 1 ? UPDATE : CANCEL;
        w->ms = 1 + STEP_MS * draw(chance, 3);
        while ((now_ms + w->ms) % STEP_MS != 2 * w->kind + 1)
            w->ms++;
    }
}

static struct decision decide(uint64_t seed, int calls, int state, struct event e, int64_t now_ms)
{
    struct decision d = {.next = KEEP};
    uint64_t chance = mixed(seed, mixed((uint64_t)calls, (uint64_t)(e.label * 64 + (int)e.type * 4 + state)));
    if (calls > CALLS_MOST)
        return d;
    decide_wants(&chance, &d, calls, now_ms);
    if (draw(&chance, 8) == 0)
        d.next = REPEAT;
    if (e.type == ES_EVENT_ENTER)
        return d;
    if (draw(&chance, 3) == 0)
        d.next = draw(&chance, STATES);
    d.postpones = draw(&chance, 4) == 0;
    d.inserts = draw(&chance, 4) == 0 ? draw(&chance, INSERTS + 1) : 0;
    for (int i = 0; i < d.inserts; i++)
        d.insert[i] = (struct event){(es_event_type)(ES_EVENT_CAST + draw(&chance, 5)), 0, calls * 8 + 4 + i};
    return d;
}

/* ------------------------------------------------------------ what was seen */

struct trace {
    int count;
    uint32_t seen[MOST];
};

static void note(struct trace *trace, int state, struct event e)
{
    if (trace->count < MOST)
        trace->seen[trace->count] = (uint32_t)(e.label << 8 | e.name << 7 | (int)e.type << 2 | state);
    trace->count++;
}

/* ------------------------------------------------------------ the model */

struct line {
    int count;
    struct event e[MOST];
};

static struct {
    uint64_t seed;
    int state, calls, dues;
    int64_t now_ms;
    struct line queue, postponed, inserted;
    struct {
        enum { NOT, RUNS, DUE } is;
        int64_t at;
        int label;
    } timeout[KINDS]; /* `at`: when it ends, or how many became due before */
    struct want want[MOST];
    int wants;
    struct trace trace;
} model;

static void put_in_front(struct line *line, struct line *front)
{
    memmove(line->e + front->count, line->e, (size_t)line->count * sizeof *line->e);
    memcpy(line->e, front->e, (size_t)front->count * sizeof *line->e);
    line->count += front->count;
    front->count = 0;
}

static struct decision model_callback(int state, struct event e)
{
    note(&model.trace, state, e);
    struct decision d = decide(model.seed, model.calls++, state, e, model.now_ms);
    for (int i = 0; i < d.wants; i++)
        model.want[model.wants++] = d.want[i];
    for (int i = 0; i < d.inserts; i++)
        model.inserted.e[model.inserted.count++] = d.insert[i];
    return d;
}

static void model_enter(int state)
{
    while (model_callback(state, (struct event){ES_EVENT_ENTER, 0, model.state}).next == REPEAT)
        ;
}

static bool is_wanted_again(int i)
{
    for (int k = i + 1; k < model.wants; k++)
        if (model.want[k].kind == model.want[i].kind)
            return true;
    return false;
}

static void model_timeouts(void)
{
    for (int i = 0; i < model.wants; i++) {
        struct want w = model.want[i];
        if (is_wanted_again(i))
            continue;
        bool is_there = model.timeout[w.kind].is != NOT;
        model.timeout[w.kind].label = w.label;
        if (w.what == CANCEL) {
            model.timeout[w.kind].is = NOT;
        } else if (w.what == FOR_A_TIME) {
            model.timeout[w.kind].is = RUNS;
            model.timeout[w.kind].at = model.now_ms + w.ms;
        } else if (w.what == AT_ONCE || !is_there) {
            model.timeout[w.kind].is = DUE;
            model.timeout[w.kind].at = model.dues++;
        }
    }
    model.wants = 0;
}

static void model_settle(int next)
{
    model.timeout[1].is = NOT;
    if (next != model.state) {
        model.timeout[0].is = NOT;
        put_in_front(&model.queue, &model.postponed);
    }
    model.state = next;
    model_timeouts();
    put_in_front(&model.queue, &model.inserted);
}

static void model_handle(struct event e)
{
    struct decision d = model_callback(model.state, e);
    int next = d.next >= 0 ? d.next : model.state;
    if (next != model.state || d.next == REPEAT)
        model_enter(next);
    if (d.postpones)
        model.postponed.e[model.postponed.count++] = e;
    model_settle(next);
}

/* Which time-out of those that are `is` is the next; -1: none. */
static int model_next(int is)
{
    int first = -1;
    for (int i = 0; i < KINDS; i++)
        if ((int)model.timeout[i].is == is && (first < 0 || model.timeout[i].at < model.timeout[first].at))
            first = i;
    return first;
}

static void model_fire(int kind)
{
    model.timeout[kind].is = NOT;
    model_handle(event_of_kind(kind, model.timeout[kind].label));
}

static void model_drain(void)
{
    while (model.queue.count || model_next(DUE) >= 0) {
        if (!model.queue.count) {
            model_fire(model_next(DUE));
            continue;
        }
        struct event e = model.queue.e[0];
        memmove(model.queue.e, model.queue.e + 1, (size_t)--model.queue.count * sizeof e);
        model_handle(e);
    }
}

static void model_until(int64_t ms)
{
    for (int kind; (kind = model_next(RUNS)) >= 0 && model.timeout[kind].at <= ms;) {
        model.now_ms = model.timeout[kind].at;
        model_fire(kind);
        model_drain();
    }
    model.now_ms = ms;
}

static void model_begin(uint64_t seed)
{
    memset(&model, 0, sizeof model);
    model.seed = seed;
    model_enter(0);
    model_settle(0);
    model_drain();
}

/* ------------------------------------------------------------ the machine */

/* One plays at a time, in a world of one thread. */
static struct {
    uint64_t seed;
    int calls;
    int64_t begun_ns;
    struct trace trace;
} played;

typedef struct {
    bool has_functions;
} chancer;

static es_step zero(chancer *self, const es_event *event);
static es_step one(chancer *self, const es_event *event);
static es_step two(chancer *self, const es_event *event);

static struct event seen_event(const es_event *event)
{
    int label = 0, name = 0;
    es_atom state;
    if (es_get_atom(event->content, &state))
        label = strcmp(es_atom_text(state), "zero") == 0  ? 0
                : strcmp(es_atom_text(state), "one") == 0 ? 1
                                                          : 2;
    else
        es_match(event->content, &label);
    if (event->type == ES_EVENT_NAMED_TIMEOUT)
        es_match(event->name, &name);
    return (struct event){event->type, name, label};
}

static void acts(const struct decision *d)
{
    for (int i = 0; i < d->wants; i++) {
        struct want w = d->want[i];
        int64_t ms = w.what == AT_ONCE  ? 0
                     : w.what == UPDATE ? ES_UPDATE
                     : w.what == CANCEL ? ES_INFINITY
                                        : w.ms;
        if (w.kind == 0)
            es_state_timeout(ms, w.label);
        else if (w.kind == 1)
            es_event_timeout(ms, w.label);
        else
            es_named_timeout(w.kind - 2, ms, w.label);
    }
    for (int i = 0; i < d->inserts; i++)
        es_next_event(d->insert[i].type, d->insert[i].label);
    if (d->postpones)
        es_postpone();
}

static es_step plays(chancer *self, const es_event *event, int state)
{
    struct event e = seen_event(event);
    note(&played.trace, state, e);
    int64_t now_ms = (es_now_ns() - played.begun_ns) / 1000000;
    struct decision d = decide(played.seed, played.calls++, state, e, now_ms);
    acts(&d);
    if (d.next < 0)
        return d.next == KEEP ? es_keep_state() : es_repeat_state();
    if (!self->has_functions)
        return es_next_state(d.next);
    return d.next == 0 ? es_next_state(zero) : d.next == 1 ? es_next_state(one) : es_next_state(two);
}

static es_step zero(chancer *self, const es_event *event)
{
    return plays(self, event, 0);
}

static es_step one(chancer *self, const es_event *event)
{
    return plays(self, event, 1);
}

static es_step two(chancer *self, const es_event *event)
{
    return plays(self, event, 2);
}

static es_step any(chancer *self, const es_event *event, es_term state)
{
    int n = -1;
    es_match(state, &n);
    return plays(self, event, n);
}

static es_step begins_with_functions(chancer *self, es_term args)
{
    (void)args;
    self->has_functions = true;
    return es_next_state(zero);
}

static es_step begins_with_handler(chancer *self, es_term args)
{
    (void)self, (void)args;
    return es_next_state(0);
}

ES_STATEM(with_functions, chancer, .init = begins_with_functions, .states = ES_STATES(zero, one, two),
          .enter = true);
ES_STATEM(with_handler, chancer, .init = begins_with_handler, .handle_event = any, .enter = true);

/* ------------------------------------------------------------ both */

struct operation {
    int64_t after_ms;
    bool is_cast;
};

static void play_model(uint64_t seed, const struct operation *operations)
{
    model_begin(seed);
    int64_t now_ms = 0;
    for (int i = 0; i < OPERATIONS; i++) {
        now_ms += operations[i].after_ms;
        model_until(now_ms);
        model_handle((struct event){operations[i].is_cast ? ES_EVENT_CAST : ES_EVENT_INFO, 0, 4096 + i});
        model_drain();
    }
    model_until(INT64_MAX);
}

static void play_machine(const es_behaviour *machine, uint64_t seed, const struct operation *operations)
{
    memset(&played, 0, sizeof played);
    played.seed = seed;
    played.begun_ns = es_now_ns();
    es_pid pid = es_start(machine, 0);
    for (int i = 0; i < OPERATIONS; i++) {
        if (operations[i].after_ms)
            es_sleep(operations[i].after_ms);
        if (operations[i].is_cast)
            es_cast(pid, 4096 + i);
        else
            es_send(pid, 4096 + i);
    }
    es_sleep(10000); /* no chain of time-outs is as long */
    EXPECT(es_stop_process(pid, es_am_normal, ES_INFINITY) == ES_OK);
}

static bool is_same(uint64_t seed)
{
    if (played.trace.count == model.trace.count &&
        memcmp(played.trace.seen, model.trace.seen, sizeof played.trace.seen) == 0)
        return true;
    int i = 0;
    while (played.trace.seen[i] == model.trace.seen[i])
        i++;
    print_message("script %llu: %d events, expected %d; number %d is %#x, expected %#x\n",
                  (unsigned long long)seed, played.trace.count, model.trace.count, i, played.trace.seen[i],
                  model.trace.seen[i]);
    return false;
}

static long scripts_played, events_seen;

static void plays_scripts(void)
{
    uint64_t chance = es_random();
    for (long n = rounds(100000) / 10; n > 0 && !atomic_load(&story_notes.failures); n--) {
        struct operation operations[OPERATIONS];
        for (int i = 0; i < OPERATIONS; i++)
            operations[i] =
                (struct operation){.after_ms = STEP_MS * draw(&chance, 4), .is_cast = draw(&chance, 2)};
        uint64_t seed = chance;
        play_model(seed, operations);
        EXPECT(model.trace.count < MOST);
        play_machine(&with_functions, seed, operations);
        EXPECT(is_same(seed));
        play_machine(&with_handler, seed, operations);
        EXPECT(is_same(seed));
        scripts_played++;
        events_seen += model.trace.count;
    }
}

STORY_WITH(a_machine_does_what_the_model_does, rounds(100000), "GST-31 GST-33", play_in_ten_worlds)
{
    plays_scripts();
}

static void test_there_was_something_to_see(void **state)
{
    (void)state;
    print_message("%ld scripts, %ld events\n", scripts_played, events_seen);
    assert_true(scripts_played >= rounds(100000) / 10 * 10);
    assert_true(events_seen > 12 * scripts_played);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_machine_does_what_the_model_does),
        cmocka_unit_test(test_there_was_something_to_see),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

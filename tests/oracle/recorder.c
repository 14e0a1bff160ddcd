/* oracle/recorder.c - who writes down what the processes of a scenario observe.
 *
 * Who spawns tells it first; it monitors the new process, and only then does that one begin. It keeps what it is told as it
 * is, and gives pids and references their names when the round is over. One round at a time, in one process. */
#include "oracle.h"

ES_ATOMS(oracle_go, oracle_spawned, oracle_noted, oracle_ended, oracle_note, main_, end, ends, lives, leader,
         none, may, never, catch_, spawn_monitor, spawn_opt, monitor, alias, make_ref, start_timer,
         send_after, start, start_monitor, send_request);

enum { NOTES_MAX = 8000, PROCESSES_MAX = 1100, NAMES_MAX = 1300, NAME_SIZE = 64 };

struct note {
    es_term pid, step, pattern, call, answer;
};

struct process {
    es_term pid, role;
    es_ref monitor;
    bool is_watched, has_ended;
    bool lives_on;      /* at the end of the round */
    es_term waiting[4]; /* who wants to know when it has ended */
    int waiting_count;
};

static struct {
    struct note notes[NOTES_MAX];
    int note_count;
    struct process processes[PROCESSES_MAX];
    int process_count;
    struct {
        es_term key;
        char name[NAME_SIZE];
    } names[NAMES_MAX];
    int name_count;
} r;

es_pid the_recorder, the_main;

void announce(es_term recorder, es_term role, es_term pid, bool is_watched)
{
    es_send(recorder, ES_TUPLE(oracle_spawned, es_self(), role, pid, is_watched));
    es_receive {
        es_case(ES_TUPLE(oracle_noted, recorder)) {
        }
    }
}

/* ---- names ---- */

static bool has_name(const char *name)
{
    for (int i = 0; i < r.name_count; i++)
        if (strcmp(r.names[i].name, name) == 0)
            return true;
    return false;
}

static const char *name_of(es_term key)
{
    for (int i = 0; i < r.name_count; i++)
        if (es_equal(r.names[i].key, key))
            return r.names[i].name;
    return es_is_pid(key) ? "?" : "#?";
}

static void add_name(es_term key, const char *name)
{
    if (r.name_count == NAMES_MAX)
        es_exit(atom_named("too_many_names"));
    r.names[r.name_count].key = key;
    snprintf(r.names[r.name_count++].name, NAME_SIZE, "%s", name);
}

static const char *text_of_atom(es_term term)
{
    es_atom atom;
    return es_get_atom(term, &atom) ? es_atom_text(atom) : "?";
}

/* The second process of a role is role.2. */
static void name_process(es_term pid, es_term role)
{
    char name[NAME_SIZE];
    snprintf(name, sizeof name, "%s", text_of_atom(role));
    for (int i = 2; has_name(name); i++)
        snprintf(name, sizeof name, "%s.%d", text_of_atom(role), i);
    add_name(pid, name);
}

/* A reference is called after the process that made it and the variable that holds it, or the step. */
static void name_references(const struct note *note, es_term pattern, es_term value)
{
    char name[NAME_SIZE], step[24];
    if (es_is_ref(value)) {
        es_print(step, sizeof step, note->step);
        snprintf(name, sizeof name, "#%.24s.%.24s", name_of(note->pid),
                 es_is_atom(pattern) && !es_is(pattern, none) ? text_of_atom(pattern) : step);
        add_name(value, name);
    }
    if (es_tuple_size(value) == 2)
        name_references(note, es_tuple_size(pattern) == 2 ? es_tuple_get(pattern, 1) : pattern,
                        es_tuple_get(value, 1));
}

static es_term word_of(es_term call)
{
    return es_is_tuple(call) ? es_tuple_get(call, 0) : call;
}

static bool makes_references(es_term call)
{
    const es_atom makers[] = {spawn_monitor, spawn_opt,  monitor, alias,         make_ref,
                              start_timer,   send_after, start,   start_monitor, send_request};
    for (size_t i = 0; i < sizeof makers / sizeof makers[0]; i++)
        if (es_is(word_of(call), makers[i]))
            return true;
    return false;
}

/* ---- text ---- */

static void print_text(es_term term)
{
    const char *between = "";
    es_term head;
    if (es_is_pid(term)) {
        printf("<%s>", name_of(term));
    } else if (es_is_ref(term)) {
        printf("%s", name_of(term));
    } else if (es_is_tuple(term)) {
        /* The place of a fault is a line of this program: nothing to compare. */
        bool is_fault = es_tuple_size(term) == 3 && es_is(es_tuple_get(term, 0), es_am_signal);
        printf("{");
        for (size_t i = 0; i < es_tuple_size(term); i++, between = ",") {
            printf("%s", between);
            if (is_fault && i == 2)
                printf("Where");
            else
                print_text(es_tuple_get(term, i));
        }
        printf("}");
    } else if (es_is_list(term)) {
        printf("[");
        for (; es_get_cons(term, &head, &term); between = ",") {
            printf("%s", between);
            print_text(head);
        }
        printf("]");
    } else {
        es_fprint(stdout, term);
    }
}

static void print_call(es_term call)
{
    es_term word = word_of(call);
    printf("%s", text_of_atom(word));
    if (es_is(word, may) || es_is(word, never) || es_is(word, catch_)) {
        printf(" ");
        print_call(es_tuple_get(call, 1));
    }
}

static void print_note(const struct note *note, long round)
{
    es_term letter, title = scenario.title;
    int64_t code;
    printf("%s\t", text_of_atom(scenario.id));
    while (es_get_cons(title, &letter, &title))
        printf("%c", es_get_int64(letter, &code) ? (int)code : '?');
    printf("\t%ld\t%s\t", round, name_of(note->pid));
    es_fprint(stdout, note->step);
    printf("\t");
    print_call(note->call);
    printf("\t");
    print_text(note->answer);
    printf("\n");
}

/* ---- what it is told ---- */

static void add_note(struct note note)
{
    if (r.note_count == NOTES_MAX)
        es_exit(atom_named("too_many_notes"));
    r.notes[r.note_count++] = note;
}

static struct process *find(es_term pid)
{
    for (int i = 0; i < r.process_count; i++)
        if (es_equal(r.processes[i].pid, pid))
            return &r.processes[i];
    es_exit(ES_TUPLE(atom_named("unknown"), pid));
}

static void add_process(es_term pid, es_term role, bool is_watched)
{
    es_pid who;
    if (r.process_count == PROCESSES_MAX || !es_get_pid(pid, &who))
        es_exit(atom_named("too_many_processes"));
    name_process(pid, role);
    struct process *p = &r.processes[r.process_count++];
    *p = (struct process){.pid = pid, .role = role, .is_watched = is_watched};
    if (is_watched) {
        p->monitor = es_monitor(who);
        (void)es_is_alive(who); /* the monitor is there: nothing else orders it before what others send */
    }
}

static void tell_noted(es_term who)
{
    es_send(who, ES_TUPLE(oracle_noted, es_self()));
}

static void note_end(struct process *p, es_term reason)
{
    p->has_ended = true;
    add_note((struct note){p->pid, es_from_atom(end), es_from_atom(none), es_from_atom(ends), reason});
    while (p->waiting_count > 0)
        tell_noted(p->waiting[--p->waiting_count]);
}

static void tell_when_ended(es_term who, struct process *p)
{
    if (p->has_ended)
        tell_noted(who);
    else if (p->waiting_count < 4)
        p->waiting[p->waiting_count++] = who;
    else
        es_exit(atom_named("too_many_wait"));
}

/* The next message that is for the recorder, the calling process's own; none when it is stuck. */
static es_term next_message(void)
{
    es_term message;
    es_receive {
        es_case(&message)
            return es_keep(message);
        es_after(2 * PATIENCE_MS)
            break;
    }
    return es_none();
}

/* Handles one message. False: there was none. */
static bool handle_one(void)
{
    es_term message = next_message(), who, role, pid, reason;
    struct note note;
    bool is_watched;
    es_ref ref;
    if (es_is_none(message))
        return false;
    if (es_match(message,
                 ES_TUPLE(oracle_note, &note.pid, &note.step, &note.pattern, &note.call, &note.answer))) {
        add_note(note);
    } else if (es_match(message, ES_TUPLE(oracle_spawned, &who, &role, &pid, &is_watched))) {
        add_process(pid, role, is_watched);
        tell_noted(who);
    } else if (es_match(message, ES_TUPLE(oracle_ended, &who, &pid))) {
        tell_when_ended(who, find(pid));
    } else if (es_match(message, ES_TUPLE(es_am_DOWN, &ref, es_am_process, &pid, &reason))) {
        note_end(find(pid), reason);
    }
    return true;
}

/* ---- a round ---- */

static bool is_left(const struct process *p)
{
    return p->is_watched && !p->has_ended;
}

static bool is_alive(const struct process *p)
{
    es_pid pid;
    return es_get_pid(p->pid, &pid) && es_is_alive(pid);
}

static void end_it(const struct process *p)
{
    es_pid pid;
    if (es_get_pid(p->pid, &pid))
        es_send_exit(pid, es_am_kill);
}

/* The last that is seen of a process: it lived until it was killed here, or it was about to end. */
static void note_last(const struct process *p)
{
    es_term reason;
    es_receive {
        es_case(ES_TUPLE(es_am_DOWN, p->monitor, ES_ANY, ES_ANY, &reason))
            add_note((struct note){p->pid, es_from_atom(end), es_from_atom(none),
                                   es_from_atom(p->lives_on ? lives : ends),
                                   p->lives_on ? es_from_atom(es_am_true) : es_keep(reason)});
    }
}

/* The first process has ended: who is there still lives on, as far as the scenario goes. All are asked before the
 * first is ended, which may end others through their links. */
static void end_the_rest(void)
{
    for (int i = 0; i < r.process_count; i++)
        r.processes[i].lives_on = is_left(&r.processes[i]) && is_alive(&r.processes[i]);
    for (int i = 0; i < r.process_count; i++)
        if (r.processes[i].lives_on)
            end_it(&r.processes[i]);
    for (int i = 0; i < r.process_count; i++)
        if (is_left(&r.processes[i]))
            note_last(&r.processes[i]);
}

static void print_round(long round)
{
    for (int i = 0; i < r.note_count; i++)
        if (makes_references(r.notes[i].call))
            name_references(&r.notes[i], r.notes[i].pattern, r.notes[i].answer);
    for (int i = 0; i < r.note_count; i++)
        print_note(&r.notes[i], round);
}

bool record(long round)
{
    struct script nobody = {.recorder = es_keep(es_self())};
    set_variable(&nobody, atom_named("Main"), es_from_atom(none));
    set_variable(&nobody, atom_named("Node"), es_from_atom(es_am_nonode_nohost));
    r.note_count = r.process_count = r.name_count = 0;
    add_name(es_keep(es_group_leader()), "leader");
    the_recorder = es_self();
    forget_actors();
    es_term first = spawn_role(&nobody, es_from_atom(main_), es_nil());
    add_process(first, es_from_atom(main_), true);
    (void)es_get_pid(first, &the_main);
    es_send(first, ES_TUPLE(oracle_go, es_self()));
    while (!r.processes[0].has_ended)
        if (!handle_one())
            return false;
    end_the_rest();
    print_round(round);
    return true;
}

/* oracle/player.c - plays the scenarios of tests/oracle/cases on Engset.
 *
 *     oracle_player [--seed N] [--rounds-divisor N] [--only ID] [--alone] [--lie NAME] FILE...
 *
 * On a real node with two schedulers, or with a seed in a simulated world. Prints what oracle.erl prints:
 *     case <TAB> title <TAB> round <TAB> process <TAB> step <TAB> what <TAB> answer
 * A lie is a wrong answer on purpose, for the test of the comparison itself: kill (a `kill` is sent as `killed`), flush (a demonitor
 * does not flush), trap (the trap flag's old value is turned round), cancel (a timer is not cancelled), late_exit (an exit signal
 * overtakes nothing: it is sent after the message behind it), reason (who is stopped ends normal), postpone (nothing is), id (a handler has none),
 * strategy (it is always one_for_one), suspend (sys suspends nobody), unload (an application stays loaded). */
#include <getopt.h>
#include <stdlib.h>
#include "oracle.h"

struct scenario scenario;
const char *lie = "";

static struct {
    int64_t seed; /* < 0: a real node */
    long divisor;
    const char *only;
    bool alone; /* those that end the program, and no others */
} wanted = {-1, 1, NULL, false};

static _Atomic(bool) is_stuck;

static long rounds_of(es_term options)
{
    es_term option, word;
    int64_t count;
    es_atom name;
    while (es_get_cons(options, &option, &options))
        if (es_match(option, ES_TUPLE(&word, &count)) && es_get_atom(word, &name) &&
            strcmp(es_atom_text(name), "rounds") == 0)
            return count / wanted.divisor > 1 ? (long)(count / wanted.divisor) : 1;
    return 1;
}

/* The first process of the node. */
static void play_rounds(void *unused)
{
    (void)unused;
    long count = rounds_of(scenario.options);
    for (long round = 1; round <= count && !is_stuck; round++)
        is_stuck = !record(round);
}

static bool is_wanted(void)
{
    es_atom id;
    if (wanted.only && !(es_get_atom(scenario.id, &id) && strcmp(es_atom_text(id), wanted.only) == 0))
        return false;
    return has_option(scenario.options, "alone") == wanted.alone;
}

/* 0, or the status to end with. */
static int play_scenario(es_term what)
{
    int status;
    if (!es_match(what, ES_TUPLE(&scenario.id, &scenario.title, &scenario.options, &scenario.roles))) {
        fprintf(stderr, "oracle_player: no scenario: ");
        es_fprint(stderr, what);
        fprintf(stderr, "\n");
        return 2;
    }
    if (!is_wanted())
        return 0;
    if (wanted.seed >= 0)
        status = es_run_simulated((uint64_t)wanted.seed, play_rounds, NULL, NULL, NULL);
    else
        status = es_run(play_rounds, NULL, &(es_options){.schedulers = 2});
    if (status || is_stuck) {
        es_fprint(stderr, scenario.id);
        fprintf(stderr, ": %s\n", is_stuck ? "is stuck" : "the node failed");
    }
    return is_stuck ? 1 : status;
}

static char *read_file(const char *path)
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = fopen(path, "r");
    if (!file || getdelim(&text, &size, '\0', file) < 0) {
        perror(path);
        exit(2);
    }
    fclose(file);
    return text;
}

static int play_file(const char *path)
{
    char *text = read_file(path);
    es_term scenarios, one;
    int status = 0;
    if (es_parse_term(text, &scenarios) != ES_OK) {
        fprintf(stderr, "%s: %s\n", path, es_last_detail());
        exit(2);
    }
    free(text);
    for (es_term left = scenarios; !status && es_get_cons(left, &one, &left);)
        status = play_scenario(one);
    es_drop(scenarios);
    return status;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"seed", required_argument, NULL, 's'}, {"rounds-divisor", required_argument, NULL, 'r'},
        {"only", required_argument, NULL, 'o'}, {"alone", no_argument, NULL, 'a'},
        {"lie", required_argument, NULL, 'l'},  {0}};
    int status = 0;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (c) {
        case 's':
            wanted.seed = strtol(optarg, NULL, 10);
            break;
        case 'r':
            wanted.divisor = strtol(optarg, NULL, 10);
            break;
        case 'o':
            wanted.only = optarg;
            break;
        case 'a':
            wanted.alone = true;
            break;
        case 'l':
            lie = optarg;
            break;
        default:
            return 2;
        }
    }
    for (int i = optind; i < argc && !status; i++)
        status = play_file(argv[i]);
    return status;
}

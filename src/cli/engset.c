/* engset.c - the `engset` command: finds the verb. */
#include <stdio.h>
#include <string.h>
#include <engset/base.h>
#include "cli/verb.h"

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *what;
} verbs[] = {
    {"test", esi_verb_test, "run a program under many seeds, and find the few faults that make one fail"},
};
enum { VERBS = sizeof verbs / sizeof verbs[0], NEAR = 2 };

static void help(FILE *to)
{
    fputs("Use:  engset VERB ...\n\n", to);
    for (int i = 0; i < VERBS; i++)
        fprintf(to, "  %-8s %s\n", verbs[i].name, verbs[i].what);
    fputs("\nengset VERB --help tells more. engset --version: the version.\n"
          "Exit status: 0 done, 1 what was asked for failed, 2 misuse, 70 a bug in engset.\n",
          to);
}

static int least(int a, int b)
{
    return a < b ? a : b;
}

/* How many letters are to be changed, left out or put in (Levenshtein 1966). */
static int distance(const char *a, const char *b)
{
    int row[64], length = (int)strlen(b);
    if (length > 62 || strlen(a) > 62)
        return 99;
    for (int j = 0; j <= length; j++)
        row[j] = j;
    for (int i = 1; a[i - 1]; i++) {
        int before = row[0];
        row[0] = i;
        for (int j = 1; j <= length; j++) {
            int above = row[j];
            row[j] = least(least(row[j], row[j - 1]) + 1, before + (a[i - 1] != b[j - 1]));
            before = above;
        }
    }
    return row[length];
}

static int unknown(const char *name)
{
    fprintf(stderr, "error: unknown command '%s'.", name);
    for (int i = 0; i < VERBS; i++)
        if (distance(name, verbs[i].name) <= NEAR)
            fprintf(stderr, " Did you mean '%s'?", verbs[i].name);
    fputs(" engset --help lists them.\n", stderr);
    return ESI_MISUSED;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        help(stderr);
        return ESI_MISUSED;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        help(stdout);
        return ESI_DONE;
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "version") == 0) {
        printf("engset %d.%d.%d\n", ES_VERSION_MAJOR, ES_VERSION_MINOR, ES_VERSION_PATCH);
        return ESI_DONE;
    }
    for (int i = 0; i < VERBS; i++)
        if (strcmp(argv[1], verbs[i].name) == 0)
            return verbs[i].run(argc - 1, argv + 1);
    return unknown(argv[1]);
}

/* cli/verb.h - the verbs of the `engset` command, each in a file of its own. */
#ifndef CLI_VERB_H
#define CLI_VERB_H

/* What a verb gives back: the exit status. */
enum { ESI_DONE = 0, ESI_FAILED = 1, ESI_MISUSED = 2 };

/* `engset test ...`: argv[0] is the verb. */
int esi_verb_test(int argc, char **argv);

#endif

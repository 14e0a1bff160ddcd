/* port/child_text.h - a request to start a child, as it is written: the program's path found, the environment changed, all in a file in
 * memory. Starting is child.c's. */
#ifndef PORT_CHILD_TEXT_H
#define PORT_CHILD_TEXT_H

#include <limits.h>
#include <engset/child.h>

/* Finds what `program` means: a path made absolute, or the first executable file of that name in PATH. Writes it to `path`.
 *   ES_ENOTFOUND  no such name in PATH
 *   ES_EINVAL     empty, or too long
 *   ES_EOS        there is one in PATH, but it may not be executed; or the node's directory is gone: errno */
ES_CHECKED es_err esi_child_find_program(const char *program, char path[PATH_MAX]);

struct esi_child_request;

/* The request that starts `path`, with its strings, in memory of esi_alloc(). ES_ENOMEM. */
ES_CHECKED es_err esi_child_make_request(const es_child_options *options, const char *path,
                                         struct esi_child_request **out);

/* Writes the request that starts `path` into a new file in memory, whose descriptor closes on exec and is yours.
 *   ES_ENOMEM
 *   ES_EOS     errno tells */
ES_CHECKED es_err esi_child_write_request(const es_child_options *options, const char *path, int *out);

#endif

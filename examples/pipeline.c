/* pipeline.c - three processes in a row; the one in the middle is another program.
 *
 *     words --{line, Text}--> sorter (runs sort(1)) --{line, Text}--> printer
 *
 * The program belongs to the process that started it: if that one ends, so does it. */
#include <engset.h>
#include <stdlib.h>
#include <string.h>

ES_ATOMS(line, end);

static void words(es_term argument)
{
    static const char *const some[] = {"pear", "apple", "quince", "fig", "banana"};
    es_pid next;
    if (!es_get_pid(argument, &next))
        return;
    for (int i = 0; i < 5; i++)
        es_send(next, ES_TUPLE(line, some[i]));
    es_send(next, end);
}

static void send_lines(es_pid next, char *text)
{
    for (char *rest = text, *one; (one = strtok_r(rest, "\n", &rest));)
        es_send(next, ES_TUPLE(line, one));
    es_send(next, end);
}

static void write_line(int fd, es_bin text)
{
    es_write(fd, text.data, text.size, ES_INFINITY);
    es_write(fd, "\n", 1, ES_INFINITY);
}

static void sorter(es_term argument)
{
    es_pid next;
    es_child child;
    es_bin text;
    char sorted[256];
    size_t length = 0;
    int64_t count;
    bool more = es_get_pid(argument, &next);
    if (es_child_start(&(es_child_options){.program = "sort",
                                           .environment = (const char *const[]){"LC_ALL=C", NULL},
                                           .input = ES_CHILD_PIPE,
                                           .output = ES_CHILD_PIPE},
                       &child) != ES_OK)
        es_exit(ES_TUPLE(es_am_error, es_last_detail()));
    while (more) {
        es_receive {
            es_case(ES_TUPLE(line, &text))
                write_line(child.input, text);
            es_case(end)
                more = false;
        }
    }
    es_close(child.input); /* sort begins when there is no more */
    while ((count = es_read(child.output, sorted + length, sizeof sorted - 1 - length, ES_INFINITY)) > 0)
        length += (size_t)count;
    sorted[length] = 0;
    send_lines(next, sorted);
}

static int compare_lines(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* What sort(1) is in a simulated world (ES_SIM=1 ./pipeline), where there are no other programs. */
static int simulated_sort(const es_simulated_child *child)
{
    char text[256], *lines[16];
    size_t length = 0, lines_count = 0;
    int64_t count;
    while ((count = es_read(child->input, text + length, sizeof text - 1 - length, ES_INFINITY)) > 0)
        length += (size_t)count;
    text[length] = 0;
    for (char *rest = text, *one; lines_count < 16 && (one = strtok_r(rest, "\n", &rest));)
        lines[lines_count++] = one;
    qsort(lines, lines_count, sizeof *lines, compare_lines);
    for (size_t i = 0; i < lines_count; i++)
        write_line(child->output, es_bytes(lines[i], strlen(lines[i])));
    return 0;
}

ES_MAIN(args)
{
    if (es_simulate_program("sort", simulated_sort) != ES_OK)
        return;
    es_bin text;
    bool more = true;
    es_pid middle = es_spawn_link(sorter, es_self());
    es_spawn_link(words, middle);
    while (more) {
        es_receive {
            es_case(ES_TUPLE(line, &text))
                printf("%.*s\n", (int)text.size, (const char *)text.data);
            es_case(end)
                more = false;
        }
    }
}

/* Prints:
 *   apple
 *   banana
 *   fig
 *   pear
 *   quince
 */

/* exchange/journal.c - what happened and when, a line each: milliseconds since the start, what, details.
 *
 *   1503.214 crashed in 17-4711@127.0.0.1 null_read     a process of this Call-ID crashed: `in`, `out` or `call`
 *   1503.300 releasing out b.17-4711@127.0.0.1          after a crash this leg begins to hang up
 *   1503.911 released out b.17-4711@127.0.0.1           and its telephone has acknowledged
 *   1700.001 lost 17-4711@127.0.0.1 unreachable         a call ended for another reason than its telephones' wish
 *   2000.000 garbage 311                                dropped in the last second */
#include "exchange.h"

static void close_file(void *file)
{
    fclose(file);
}

static FILE *open_log(void)
{
    FILE *file = exchange->log ? fopen(exchange->log, "w") : NULL;
    if (!file)
        return stderr;
    setvbuf(file, NULL, _IOLBF, 0);
    if (es_own(file, close_file) != ES_OK)
        es_exit(es_am_system_limit);
    return file;
}

/* A text without quotes, everything else as Erlang writes it. */
static void write_detail(FILE *file, es_term detail)
{
    es_bin text;
    putc(' ', file);
    if (es_get_bin(detail, &text))
        fwrite(text.data, 1, text.size, file);
    else
        es_fprint(file, detail);
}

static void write_line(FILE *file, es_term line)
{
    int64_t at_ns = 0;
    es_get_int64(es_tuple_get(line, 0), &at_ns);
    fprintf(file, "%.3f", (double)(at_ns - exchange->started_ns) / 1e6);
    for (size_t i = 1; i < es_tuple_size(line); i++)
        write_detail(file, es_tuple_get(line, i));
    putc('\n', file);
}

void journal(void)
{
    FILE *file = open_log();
    es_term line, from;
    for (;;)
        es_receive {
            es_case_call(from, ES_ANY) /* all that was sent before is written */
                es_reply_to(from, es_am_ok);
            es_case(&line)
                write_line(file, line);
        }
}

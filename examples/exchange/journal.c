/* exchange/journal.c - what happened and when, a line each: milliseconds since the start, what, details.
 *
 *      1.003 begun call 17-4711@127.0.0.1 <0.93.0> [<0.92.0>,<0.51.0>,<0.40.0>]   a process begins to work for this Call-ID; its ancestors
 *   1402.107 over 17-4711@127.0.0.1                    both telephones are released, as they wished
 *   1503.214 crashed call 17-4711@127.0.0.1 null_read   a process of this call crashed, and so all of them
 *   1503.300 releasing out b.17-4711@127.0.0.1          somebody else says goodbye in place of a leg that crashed
 *   1503.911 released out b.17-4711@127.0.0.1           and its telephone has acknowledged
 *   1700.001 lost 17-4711@127.0.0.1 unreachable         a call ended for another reason than its telephones' wish
 *   1800.000 killed <0.51.0> partition                  by attack.c
 *   2000.000 garbage 311                                dropped in the last second
 *
 * A line is a call: who writes knows that it is in the file when he has the answer, and asks the next journal when this one ended. So the journal
 * may crash, and no line is lost; at most some are there twice. Lines that wait are written together, and then their writers are answered. */
#include "exchange.h"

enum { TOGETHER_MAX = 64, LINE_MAX_BYTES = 1024 };

typedef struct {
    int fd; /* < 0: there is no file, stderr gets the lines */
    int count;
    es_term writers[TOGETHER_MAX]; /* who waits for an answer: es_keep()'s */
    size_t length;
    char bytes[TOGETHER_MAX * LINE_MAX_BYTES];
} book;

/* Who was here before has written already: what comes is added. */
static es_answer journal_init(book *self, es_term args)
{
    (void)args;
    self->fd = exchange->log[0] ? (int)es_file_open(exchange->log, O_WRONLY | O_CREAT | O_APPEND, 0666) : -1;
    return es_ok();
}

/* What does not fit in a line is cut. */
static void add_bytes(book *self, size_t line, const void *bytes, size_t length)
{
    size_t room = line + LINE_MAX_BYTES - 1 - self->length;
    length = length < room ? length : room;
    memcpy(self->bytes + self->length, bytes, length);
    self->length += length;
}

/* A text without quotes, everything else as Erlang writes it. */
static void add_detail(book *self, size_t line, es_term detail)
{
    char printed[512];
    es_bin text;
    add_bytes(self, line, " ", 1);
    if (es_get_bin(detail, &text)) {
        add_bytes(self, line, text.data, text.size);
    } else {
        es_print(printed, sizeof printed, detail);
        add_bytes(self, line, printed, strlen(printed));
    }
}

static void add_line(book *self, es_term details)
{
    const size_t line = self->length;
    char when[32];
    int64_t at_ns = 0;
    es_get_int64(es_tuple_get(details, 0), &at_ns);
    snprintf(when, sizeof when, "%.3f", (double)(at_ns - exchange->started_ns) / 1e6);
    add_bytes(self, line, when, strlen(when));
    for (size_t i = 1; i < es_tuple_size(details); i++)
        add_detail(self, line, es_tuple_get(details, i));
    self->bytes[self->length++] = '\n';
}

/* A disk that is full stops no telephone. Who cannot be answered asks the next journal. */
static es_answer write_all(book *self)
{
    if (self->fd < 0 || es_file_write(self->fd, self->bytes, self->length) < 0)
        fwrite(self->bytes, 1, self->length, stderr);
    self->length = 0;
    while (self->count > 0) {
        es_term writer = self->writers[--self->count];
        if (es_reply_to(writer, es_am_ok) == ES_ENOMEM)
            es_exit(es_am_system_limit);
        es_drop(writer);
    }
    return es_noreply();
}

/* The time-out comes when no other line waits. */
static es_answer journal_call(book *self, es_term details, es_from from)
{
    add_line(self, details);
    self->writers[self->count++] = es_keep(from);
    return self->count == TOGETHER_MAX ? write_all(self) : es_with_timeout(es_noreply(), 0);
}

ES_SERVER(journal_server, book, .init = journal_init, .call = journal_call, .timeout = write_all);

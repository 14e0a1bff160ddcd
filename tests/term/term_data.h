/* tests/term/term_data.h - what the tests of this room share: data files, and terms from text. */
#ifndef TERM_DATA_H
#define TERM_DATA_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "term/parse.h"
#include "term/copy.h"

/* Opens tests/term/data/`name`, which stands beside the file that includes this. */
static inline FILE *data_open(const char *name)
{
    const char *here = __FILE__, *slash = strrchr(here, '/');
    char path[512];
    FILE *file;
    snprintf(path, sizeof path, "%.*s/data/%s", (int)(slash - here), here, name);
    file = fopen(path, "r");
    assert_non_null(file);
    return file;
}

/* The next line that is no comment, without its end; false at the end of the file. */
static inline bool data_line(FILE *file, char *line, size_t size)
{
    while (fgets(line, (int)size, file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] != '%' && line[0] != '\0')
            return true;
    }
    return false;
}

/* The term that `text` says; fails the test if it says none. Freed with esi_parse_free(). */
static inline struct esi_parse_result parsed(const char *text)
{
    struct esi_parse_result result;
    es_err err = esi_parse(text, strlen(text), &result);
    if (err != ES_OK)
        print_error("%s: line %zu column %zu: %s\n", text, result.line, result.column, result.expected);
    assert_int_equal(err, ES_OK);
    return result;
}

/* `term` prints as `text`. */
#define assert_prints(term, text)                                      \
    do {                                                               \
        char printed_[4096];                                           \
        assert_true(es_print(printed_, sizeof printed_, (term)) >= 0); \
        assert_string_equal(printed_, (text));                         \
    } while (0)

/* A term of any kind, made of `*seed`, with no pids, references and the like; as text, so that it can be shown. */
struct random_text {
    uint64_t seed;
    char text[8192];
    size_t length;
};

static inline uint64_t random_next(struct random_text *r)
{
    r->seed ^= r->seed << 13;
    r->seed ^= r->seed >> 7;
    r->seed ^= r->seed << 17;
    return r->seed * 0x2545f4914f6cdd1dULL >> 11;
}

__attribute__((format(printf, 2, 3))) static inline void random_put(struct random_text *r, const char *format,
                                                                    ...)
{
    va_list list;
    va_start(list, format);
    r->length += (size_t)vsnprintf(r->text + r->length, sizeof r->text - r->length, format, list);
    va_end(list);
    assert_true(r->length < sizeof r->text);
}

static inline void random_term(struct random_text *r, int depth)
{
    static const char *const leaves[] = {"0",
                                         "1",
                                         "1.0",
                                         "-1",
                                         "2.5",
                                         "ok",
                                         "error",
                                         "'A b'",
                                         "[]",
                                         "{}",
                                         "#{}",
                                         "<<>>",
                                         "<<1>>",
                                         "<<\"ab\">>",
                                         "<<5:3>>",
                                         "true",
                                         "1e",
                                         "a",
                                         "[a|b]",
                                         "2.0e300",
                                         "1152921504606846976",
                                         "-1152921504606846977",
                                         "123456789012345678901234567890",
                                         "<<0:800>>"};
    uint64_t kind = random_next(r) % (depth > 0 ? 9 : 5), count = random_next(r) % 4;
    if (kind < 4) {
        const char *leaf = leaves[random_next(r) % (sizeof leaves / sizeof *leaves)];
        random_put(r, "%s", strcmp(leaf, "1e") == 0 ? "'1e'" : leaf);
    } else if (kind == 4) {
        random_put(r, "%ld", (long)(random_next(r) % 7) - 3);
    } else {
        random_put(r, "%s", kind <= 6 ? "{" : kind == 7 ? "[" : "#{");
        for (uint64_t i = 0; i < count; i++) {
            if (i > 0)
                random_put(r, ",");
            if (kind == 8) {
                random_put(r, "{%d,", (int)i);
                random_term(r, depth - 1);
                random_put(r, "} => ");
            }
            random_term(r, depth - 1);
        }
        random_put(r, "%s", kind == 7 ? "]" : "}");
    }
}

static inline const char *random_text(struct random_text *r)
{
    r->length = 0;
    random_term(r, 4);
    return r->text;
}

#endif

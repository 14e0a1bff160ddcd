/* tests/fuzz/parse_fuzz.c - whatever text comes, the parser answers; what it reads, it reads back after printing; and where there is no
 * memory it says so, and keeps nothing.
 *
 * With clang: -fsanitize=fuzzer,address,undefined, linked with the rooms base, platform and term. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/assert.h"
#include "base/fail.h"
#include "base/text.h"
#include "term/copy.h"
#include "term/parse.h"

/* <<1:16777216>> is 15 bytes long, and some megabytes as it is printed: others are more worth the time. */
enum { PRINTED_MAX = 65536 };

/* Parses `text` again and compares; pids and the like cannot be in it. */
static void check_round_trip(es_term term)
{
    struct esi_parse_result again;
    int64_t length = es_print(NULL, 0, term);
    if (length > PRINTED_MAX)
        return;
    char *text = malloc((size_t)length + 1);
    esi_assert(text != NULL);
    esi_assert(es_print(text, (size_t)length + 1, term) == length);
    esi_assert(esi_parse(text, (size_t)length, &again) == ES_OK);
    esi_assert(es_equal(again.term, term));
    esi_parse_free(&again);
    free(text);
}

/* The same text, and one allocation fails; which one, the text decides. What is kept AddressSanitizer sees. */
static void check_without_memory(const uint8_t *data, size_t size)
{
    struct esi_parse_result result;
    unsigned sum = 0;
    for (size_t i = 0; i < size; i++)
        sum += data[i];
    esi_fail_after(1 + sum % 24);
    es_err error = esi_parse((const char *)data, size, &result);
    if (esi_fail_stop())
        esi_assert(error == ES_ENOMEM);
    esi_parse_free(&result);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct esi_parse_result result;
    char explained[1024];
    struct esi_text text;
    if (size > 65536)
        return 0;
    if (esi_parse((const char *)data, size, &result) == ES_OK) {
        check_round_trip(result.term);
    } else {
        esi_assert(result.offset <= size);
        esi_text_init(&text, explained, sizeof explained);
        esi_parse_explain(&text, &result, (const char *)data, size);
    }
    esi_parse_free(&result);
    check_without_memory(data, size);
    return 0;
}

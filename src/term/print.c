/* print.c - terms as Erlang text on one line.
 *
 * One walker without recursion; where the text goes is the affair of a sink. */
#include "term/print.h"

#include <stdio.h>
#include "base/alloc.h"
#include "base/utf8.h"
#include "term/atom.h"
#include "term/decimal.h"
#include "term/work.h"

enum { BIG_WORDS_INLINE = 16 };

/* Where text goes. `put` takes the bytes in the order they come. */
struct sink {
    void (*put)(struct sink *sink, const char *bytes, size_t length);
    int64_t length; /* of all that was put */
    char *buffer;   /* of es_print */
    size_t size;
    FILE *file;
    struct esi_text *text;
    struct esi_print_limits limits;
    bool may_allocate;
    bool failed;
};

static void put(struct sink *sink, const char *bytes, size_t length)
{
    sink->length += (int64_t)length;
    sink->put(sink, bytes, length);
}

static void put_text(struct sink *sink, const char *text)
{
    put(sink, text, strlen(text));
}

static void put_u64(struct sink *sink, uint64_t value)
{
    char text[24];
    size_t at = sizeof text;
    do
        text[--at] = (char)('0' + value % 10);
    while ((value /= 10) != 0);
    put(sink, text + at, sizeof text - at);
}

static void put_hex(struct sink *sink, uint64_t value)
{
    char text[16];
    size_t at = sizeof text;
    do
        text[--at] = "0123456789ABCDEF"[value & 15];
    while ((value >>= 4) != 0);
    put(sink, text + at, sizeof text - at);
}

/* ---- atoms and text in quotes ---- */

static bool is_letter_small(uint32_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 0xdf && c <= 0xff && c != 0xf7);
}

static bool is_name_character(uint32_t c)
{
    return is_letter_small(c) || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '@' ||
           (c >= 0xc0 && c <= 0xde && c != 0xd7);
}

static bool is_reserved(const char *text, size_t length)
{
    static const char words[][8] = {"after",  "and",     "andalso", "band", "begin", "bnot", "bor",
                                    "bsl",    "bsr",     "bxor",    "case", "catch", "cond", "div",
                                    "end",    "fun",     "if",      "let",  "not",   "of",   "or",
                                    "orelse", "receive", "rem",     "try",  "when",  "xor"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strlen(words[i]) == length && memcmp(words[i], text, length) == 0)
            return true;
    return false;
}

static bool needs_no_quotes(const char *text, size_t length)
{
    uint32_t c = 0;
    size_t at = esi_utf8_decode(text, length, &c);
    if (at == 0 || !is_letter_small(c))
        return false;
    while (at < length) {
        unsigned step = esi_utf8_decode(text + at, length - at, &c);
        if (step == 0 || !is_name_character(c))
            return false;
        at += step;
    }
    return length > 7 || !is_reserved(text, length);
}

static bool is_printable(uint32_t c)
{
    return (c >= 8 && c <= 13) || c == 27 || (c >= 32 && c <= 126) || (c >= 0xa0 && c < 0xd800) ||
           (c >= 0xe000 && c <= 0xfffd) || (c >= 0x10000 && c <= 0x10ffff);
}

static void put_escaped(struct sink *sink, uint32_t c, const char *bytes, unsigned length, char quote)
{
    static const char letters[32] = {
        [8] = 'b', [9] = 't', [10] = 'n', [11] = 'v', [12] = 'f', [13] = 'r', [27] = 'e'};
    char octal[4] = {'\\', (char)('0' + (c >> 6 & 3)), (char)('0' + (c >> 3 & 7)), (char)('0' + (c & 7))};
    char pair[2] = {'\\', (char)c};
    if (c == (uint8_t)quote || c == '\\') {
        put(sink, pair, 2);
    } else if (c < 32 || c == 127) {
        pair[1] = c == 127 ? 'd' : letters[c];
        if (pair[1] != '\0')
            put(sink, pair, 2);
        else
            put(sink, octal, 4);
    } else if (c >= 128 && c < 160) {
        put(sink, octal, 4);
    } else if (!is_printable(c)) {
        put_text(sink, "\\x{");
        put_hex(sink, c);
        put_text(sink, "}");
    } else {
        put(sink, bytes, length);
    }
}

/* `text` is good UTF-8. */
static void put_quoted(struct sink *sink, const char *text, size_t length, char quote)
{
    put(sink, &quote, 1);
    for (size_t at = 0; at < length;) {
        uint32_t c = 0;
        unsigned step = esi_utf8_decode(text + at, length - at, &c);
        if (step == 0)
            break;
        put_escaped(sink, c, text + at, step, quote);
        at += step;
    }
    put(sink, &quote, 1);
}

static void put_atom(struct sink *sink, es_atom atom)
{
    const char *text = es_atom_text(atom);
    size_t length = es_atom_length(atom);
    if (needs_no_quotes(text, length))
        put(sink, text, length);
    else
        put_quoted(sink, text, length, '\'');
}

/* ---- numbers ---- */

static void put_big_hex(struct sink *sink, const uint64_t *words, uint64_t count)
{
    put_text(sink, "16#");
    put_hex(sink, words[count - 1]);
    for (uint64_t i = count - 1; i-- > 0;) {
        char text[16];
        for (int nibble = 0; nibble < 16; nibble++)
            text[nibble] = "0123456789ABCDEF"[words[i] >> (60 - 4 * nibble) & 15];
        put(sink, text, sizeof text);
    }
}

static void put_big(struct sink *sink, const uint64_t *box)
{
    uint64_t count = esi_header_count(box[0]);
    uint64_t few[BIG_WORDS_INLINE];
    char digits[20 * BIG_WORDS_INLINE];
    char *memory = NULL;
    if (esi_header_kind(box[0]) == ESI_BIG_MINUS)
        put_text(sink, "-");
    if (count <= BIG_WORDS_INLINE) {
        memcpy(few, box + 1, (size_t)count * sizeof *few);
        put(sink, digits, esi_magnitude_text(few, (size_t)count, digits));
        return;
    }
    if (sink->may_allocate)
        memory = esi_alloc((size_t)count * (sizeof *box + 20));
    if (memory == NULL) {
        put_big_hex(sink, box + 1, count);
        return;
    }
    memcpy(memory, box + 1, (size_t)count * sizeof *box);
    put(sink, memory + count * sizeof *box,
        esi_magnitude_text((uint64_t *)(void *)memory, (size_t)count, memory + count * sizeof *box));
    esi_free(memory);
}

static void put_small(struct sink *sink, int64_t value)
{
    if (value < 0)
        put_text(sink, "-");
    put_u64(sink, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

static void put_double(struct sink *sink, double value)
{
    char text[ESI_DOUBLE_TEXT];
    put(sink, text, esi_double_text(value, text));
}

/* ---- bitstrings ---- */

static void put_bits(struct sink *sink, es_term term)
{
    const uint8_t *bytes = NULL;
    uint64_t bit_count = 0, size;
    unsigned rest;
    bool is_text = true, is_ascii = true, cut = false;
    es_get_bits(term, &bytes, &bit_count);
    size = bit_count / 8;
    rest = (unsigned)(bit_count % 8);
    if (size > sink->limits.bytes) {
        size = sink->limits.bytes;
        cut = true;
    }
    for (uint64_t at = 0; at < size && is_text;) {
        uint32_t c = 0;
        unsigned step = esi_utf8_decode((const char *)bytes + at, (size_t)(size - at), &c);
        if (step == 0 && cut && size - at < 4 && at > 0)
            size = at; /* the limit cut a character */
        else
            is_text = step != 0 && is_printable(c);
        is_ascii = is_ascii && c < 128;
        at += step;
    }
    put_text(sink, "<<");
    if (is_text && size > 0 && rest == 0) {
        put_quoted(sink, (const char *)bytes, (size_t)size, '"');
        if (!is_ascii)
            put_text(sink, "/utf8");
    } else {
        for (uint64_t i = 0; i < size; i++) {
            if (i > 0)
                put_text(sink, ",");
            put_u64(sink, bytes[i]);
        }
    }
    if (cut) {
        put_text(sink, size > 0 ? ",..." : "...");
    } else if (rest != 0) {
        if (size > 0)
            put_text(sink, ",");
        put_u64(sink, bytes[size] >> (8 - rest));
        put_text(sink, ":");
        put_u64(sink, rest);
    }
    put_text(sink, ">>");
}

/* ---- names of processes and the like ---- */

static void put_pid(struct sink *sink, es_term term)
{
    es_pid pid = {0, 0, 0};
    es_get_pid(term, &pid);
    put_text(sink, "<");
    put_u64(sink, pid.node);
    put_text(sink, ".");
    put_u64(sink, esi_pid_number(pid));
    put_text(sink, ".");
    put_u64(sink, esi_pid_serial(pid));
    put_text(sink, ">");
}

/* The words from the last to the first, as Erlang does. */
static void put_ref(struct sink *sink, es_term term)
{
    es_ref ref = {0, 0, 0, 0, 0, 0};
    uint32_t words[5], count;
    es_get_ref(term, &ref);
    words[0] = ref.first;
    words[1] = (uint32_t)ref.id;
    words[2] = (uint32_t)(ref.id >> 32);
    words[3] = (uint32_t)ref.pid;
    words[4] = (uint32_t)(ref.pid >> 32);
    count = ref.word_count >= 1 && ref.word_count <= 5 ? ref.word_count : ref.pid != 0 ? 5 : 3;
    put_text(sink, "#Ref<");
    put_u64(sink, ref.node);
    while (count-- > 0) {
        put_text(sink, ".");
        put_u64(sink, words[count]);
    }
    put_text(sink, ">");
}

static void put_port(struct sink *sink, es_term term)
{
    es_port port = {0, 0, 0};
    es_get_port(term, &port);
    put_text(sink, "#Port<");
    put_u64(sink, port.node);
    put_text(sink, ".");
    put_u64(sink, port.id);
    put_text(sink, ">");
}

static void put_leaf(struct sink *sink, uint64_t word);

static void put_fun(struct sink *sink, const uint64_t *box)
{
    put_text(sink, "#Fun<");
    put_leaf(sink, box[4]);
    put_text(sink, ".");
    put_leaf(sink, box[5]);
    put_text(sink, ".");
    put_leaf(sink, box[6]);
    put_text(sink, ">");
}

static void put_export(struct sink *sink, const uint64_t *box)
{
    put_text(sink, "fun ");
    put_leaf(sink, box[1]);
    put_text(sink, ":");
    put_leaf(sink, box[2]);
    put_text(sink, "/");
    put_leaf(sink, box[3]);
}

static void put_leaf(struct sink *sink, uint64_t word)
{
    es_term term = {word};
    es_atom atom = {word};
    double value = 0;
    switch (esi_tag(word)) {
    case ESI_TAG_INT:
        put_small(sink, esi_small(word));
        return;
    case ESI_TAG_ATOM:
        put_atom(sink, atom);
        return;
    case ESI_TAG_PID:
        put_pid(sink, term);
        return;
    case ESI_TAG_CONST:
        put_text(sink, word == ESI_NIL_WORD ? "[]" : "_");
        return;
    case ESI_TAG_BOX:
        break;
    default:
        put_text(sink, "_");
        return;
    }
    if (word == 0) {
        put_text(sink, "<none>");
        return;
    }
    switch (esi_header_kind(*esi_box(word))) {
    case ESI_FLOAT:
        es_get_double(term, &value);
        put_double(sink, value);
        return;
    case ESI_BIG_PLUS:
    case ESI_BIG_MINUS:
        put_big(sink, esi_box(word));
        return;
    case ESI_PID:
        put_pid(sink, term);
        return;
    case ESI_REF:
        put_ref(sink, term);
        return;
    case ESI_PORT:
        put_port(sink, term);
        return;
    case ESI_FUN:
        put_fun(sink, esi_box(word));
        return;
    case ESI_EXPORT:
        put_export(sink, esi_box(word));
        return;
    default:
        put_bits(sink, term);
        return;
    }
}

/* ---- what has parts ----
 *
 * A frame's state is what it is in, in the low two bits, and above these how many words were printed.
 *   in a tuple   `a` is its elements, `left` how many
 *   in a map     `a` is the keys, `b` the values, `left` how many of each
 *   in a list    `a` is the next cell or NULL, `b` a tail that is no list or NULL */

enum { IN_TUPLE, IN_LIST, IN_MAP, STEP = 4 };

/* Opens a tuple, list or map, or prints a leaf. False if there is no memory for the frame. */
static bool open_term(struct sink *sink, struct esi_work *work, uint64_t word)
{
    static const char *const openings[] = {"{", "[", "#{"};
    const uint64_t *a, *b = NULL;
    uint64_t left = 0, in = IN_LIST;
    if (esi_tag(word) == ESI_TAG_CONS) {
        a = esi_cons(word);
    } else if (esi_tag(word) == ESI_TAG_BOX && word != 0 &&
               esi_header_kind(*esi_box(word)) <= ESI_MAP_LITERAL) {
        a = esi_box(word) + 1;
        left = esi_header_count(a[-1]);
        in = esi_header_kind(a[-1]) == ESI_TUPLE ? IN_TUPLE : IN_MAP;
        b = in == IN_MAP ? a + left : NULL;
    } else {
        put_leaf(sink, word);
        return true;
    }
    if (work->count >= sink->limits.depth) {
        put_text(sink, "...");
        return true;
    }
    if (!esi_work_push(work, a, b, left, in))
        return false;
    put_text(sink, openings[in]);
    return true;
}

static void go_on_in_list(struct esi_work_frame *list)
{
    uint64_t tail = list->a[1];
    if (esi_tag(tail) == ESI_TAG_CONS) {
        list->a = esi_cons(tail);
        return;
    }
    if (tail != ESI_NIL_WORD)
        list->b = list->a + 1;
    list->a = NULL;
}

/* The text before the next word of a frame, and the word; NULL where there is none. */
static const char *step(struct esi_work_frame *frame, uint64_t *word)
{
    uint64_t printed = frame->state / STEP, in = frame->state % STEP;
    frame->state += STEP;
    if (in == IN_LIST) {
        if (frame->a != NULL) {
            *word = frame->a[0];
            go_on_in_list(frame);
            return printed > 0 ? "," : "";
        }
        if (frame->b == NULL)
            return NULL;
        *word = *frame->b;
        frame->b = NULL;
        return "|";
    }
    if (in == IN_TUPLE) {
        if (printed == frame->left)
            return NULL;
        *word = frame->a[printed];
        return printed > 0 ? "," : "";
    }
    if (printed == 2 * frame->left)
        return NULL;
    *word = printed % 2 == 0 ? frame->a[printed / 2] : frame->b[printed / 2];
    return printed % 2 != 0 ? " => " : printed > 0 ? "," : "";
}

static bool is_at_limit(const struct sink *sink, const struct esi_work_frame *frame)
{
    uint64_t printed = frame->state / STEP, in = frame->state % STEP;
    if (in == IN_MAP)
        return printed % 2 == 0 && printed / 2 >= sink->limits.elements;
    return printed >= sink->limits.elements;
}

static void print(struct sink *sink, es_term term)
{
    static const char *const endings[] = {"}", "]", "}"};
    struct esi_work work;
    esi_work_init(&work, sink->may_allocate);
    sink->failed = !open_term(sink, &work, term.w);
    while (work.count > 0 && !sink->failed) {
        struct esi_work_frame *top = esi_work_top(&work);
        uint64_t word = 0;
        bool at_limit = is_at_limit(sink, top);
        const char *before = step(top, &word);
        if (before == NULL || at_limit) {
            if (before != NULL)
                put_text(sink, top->state > STEP ? ",..." : "...");
            put_text(sink, endings[top->state % STEP]);
            work.count--;
            continue;
        }
        put_text(sink, before);
        sink->failed = !open_term(sink, &work, word);
    }
    esi_work_fini(&work);
}

/* ---- sinks ---- */

static const struct esi_print_limits no_limits = {UINT32_MAX, UINT32_MAX, UINT32_MAX};

static void put_to_buffer(struct sink *sink, const char *bytes, size_t length)
{
    size_t before = (size_t)sink->length - length;
    if (before + 1 >= sink->size)
        return;
    if (length > sink->size - 1 - before)
        length = sink->size - 1 - before;
    memcpy(sink->buffer + before, bytes, length);
}

static void put_to_file(struct sink *sink, const char *bytes, size_t length)
{
    if (fwrite(bytes, 1, length, sink->file) != length)
        sink->size = 1; /* remembers that the file refused */
}

static void put_to_text(struct sink *sink, const char *bytes, size_t length)
{
    esi_text_strn(sink->text, bytes, length);
}

int64_t es_print(char *buffer, size_t size, es_term term)
{
    struct sink sink = {
        .put = put_to_buffer, .buffer = buffer, .size = size, .limits = no_limits, .may_allocate = true};
    print(&sink, term);
    if (size > 0)
        buffer[(uint64_t)sink.length < size ? (size_t)sink.length : size - 1] = '\0';
    return sink.failed ? ES_ENOMEM : sink.length;
}

int64_t es_fprint(FILE *file, es_term term)
{
    struct sink sink = {.put = put_to_file, .file = file, .limits = no_limits, .may_allocate = true};
    print(&sink, term);
    if (sink.size != 0)
        return ES_EOS;
    return sink.failed ? ES_ENOMEM : sink.length;
}

void esi_print_bounded(struct esi_text *text, es_term term, struct esi_print_limits limits)
{
    struct sink sink = {.put = put_to_text, .text = text, .limits = limits, .may_allocate = false};
    if (limits.depth > ESI_WORK_INLINE)
        sink.limits.depth = ESI_WORK_INLINE;
    print(&sink, term);
}

void esi_print_short(struct esi_text *text, es_term term)
{
    const struct esi_print_limits limits = {8, 32, 128};
    esi_print_bounded(text, term, limits);
}

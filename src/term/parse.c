/* parse.c - Erlang text to a term, without recursion.
 *
 * Values that are complete wait on a stack until the bracket around them closes. They lie in chunks of scratch memory;
 * the finished term is copied from there into one block. */
#include "term/parse.h"

#include <locale.h>
#include <stdlib.h>
#include "base/alloc.h"
#include "base/utf8.h"
#include "term/build.h"

enum { CHUNK_WORDS = 512 };

struct chunk {
    struct chunk *older;
    uint64_t words[];
};

enum open { OPEN_TUPLE, OPEN_LIST, OPEN_MAP };

/* A bracket that is open. `first` is the place on the value stack of what is in it. */
struct bracket {
    enum open open;
    size_t first;
    bool has_tail; /* of a list: the | was there */
};

struct parser {
    const char *text;
    size_t length, at;
    size_t start;     /* of the token that is read: where an error is */
    const char *last; /* what was read last, in words, for "after ..." */
    es_err err;
    const char *code;
    char expected[96];
    struct chunk *chunk;
    uint64_t *free_words;
    size_t free_count;
    struct esi_offheap *offheap;
    es_term *values;
    size_t value_count, value_size;
    struct bracket *brackets;
    size_t bracket_count, bracket_size;
    char *bytes; /* the token's text, escapes resolved, as UTF-8; or a bitstring */
    size_t byte_count, byte_size;
};

/* ---- failing ---- */

static bool fail_as(struct parser *p, es_err err, const char *code, const char *what, const char *after)
{
    struct esi_text text;
    if (p->err != ES_OK)
        return false;
    p->err = err;
    p->code = code;
    esi_text_init(&text, p->expected, sizeof p->expected);
    esi_text_str(&text, what);
    if (after != NULL) {
        esi_text_str(&text, " after ");
        esi_text_str(&text, after);
    }
    return false;
}

static bool fail(struct parser *p, const char *what)
{
    return fail_as(p, ES_ESYNTAX, "E0701", what, NULL);
}

static bool fail_here(struct parser *p, const char *what)
{
    p->start = p->at;
    return fail(p, what);
}

static bool no_memory(struct parser *p)
{
    return fail_as(p, ES_ENOMEM, "E0704", "no memory", NULL);
}

/* ---- memory ---- */

/* `count` words that stay where they are; NULL after no_memory(). */
static uint64_t *need_words(struct parser *p, size_t count)
{
    if (count > p->free_count) {
        size_t size = count > CHUNK_WORDS ? count : CHUNK_WORDS;
        struct chunk *chunk = NULL;
        if (size <= SIZE_MAX / sizeof(uint64_t) - 8)
            chunk = esi_alloc(sizeof *chunk + size * sizeof(uint64_t));
        if (chunk == NULL) {
            no_memory(p);
            return NULL;
        }
        chunk->older = p->chunk;
        p->chunk = chunk;
        p->free_words = chunk->words;
        p->free_count = size;
    }
    return p->free_words;
}

/* Tells that the words up to `end` are in use. */
static void use_words(struct parser *p, const uint64_t *end)
{
    size_t used = (size_t)(end - p->free_words);
    p->free_words += used;
    p->free_count -= used;
}

static bool grow(struct parser *p, void **memory, size_t *size, size_t item)
{
    size_t more = *size == 0 ? 64 : 2 * *size;
    void *grown = esi_realloc(*memory, more * item);
    if (grown == NULL)
        return no_memory(p);
    *memory = grown;
    *size = more;
    return true;
}

static bool push_value(struct parser *p, es_term term)
{
    if (p->value_count == p->value_size) {
        void *memory = p->values;
        if (!grow(p, &memory, &p->value_size, sizeof *p->values))
            return false;
        p->values = memory;
    }
    p->values[p->value_count++] = term;
    return true;
}

static bool push_byte(struct parser *p, char byte)
{
    if (p->byte_count == p->byte_size) {
        void *memory = p->bytes;
        if (!grow(p, &memory, &p->byte_size, 1))
            return false;
        p->bytes = memory;
    }
    p->bytes[p->byte_count++] = byte;
    return true;
}

static bool push_character(struct parser *p, uint32_t c)
{
    char bytes[4];
    unsigned count = esi_utf8_encode(c, bytes);
    if (count == 0)
        return fail(p, "expected a character that exists");
    for (unsigned i = 0; i < count; i++)
        if (!push_byte(p, bytes[i]))
            return false;
    return true;
}

/* ---- characters ---- */

static int peek(const struct parser *p)
{
    return p->at < p->length ? (uint8_t)p->text[p->at] : -1;
}

static int peek_at(const struct parser *p, size_t ahead)
{
    return p->length - p->at > ahead ? (uint8_t)p->text[p->at + ahead] : -1;
}

static bool accept(struct parser *p, const char *text)
{
    size_t length = strlen(text);
    if (p->length - p->at < length || memcmp(p->text + p->at, text, length) != 0)
        return false;
    p->at += length;
    return true;
}

static void skip_space(struct parser *p)
{
    for (; p->at < p->length; p->at++) {
        int c = peek(p);
        if (c == '%')
            while (p->at + 1 < p->length && p->text[p->at + 1] != '\n')
                p->at++;
        else if (c > ' ')
            break;
    }
    p->start = p->at;
}

static int digit_of(int c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'Z')
        return c - 'A' + 10;
    return 99;
}

/* One character as it stands; its bytes are passed over. */
static bool read_plain(struct parser *p, uint32_t *out)
{
    unsigned count = esi_utf8_decode(p->text + p->at, p->length - p->at, out);
    if (count == 0)
        return fail_here(p, p->at < p->length ? "expected UTF-8" : "expected a character before the end");
    p->at += count;
    return true;
}

static bool read_hex_escape(struct parser *p, uint32_t *out)
{
    bool braces = accept(p, "{");
    uint32_t value = 0;
    size_t digits = 0;
    for (; digit_of(peek(p)) < 16 && (braces || digits < 2) && value < 0x110000; digits++)
        value = 16 * value + (uint32_t)digit_of(p->text[p->at++]);
    if (digits == 0 || (!braces && digits < 2) || (braces && !accept(p, "}")) || value > 0x10ffff)
        return fail_here(p, "expected hexadecimal digits of a character");
    *out = value;
    return true;
}

/* What follows a backslash. */
static bool read_escape(struct parser *p, uint32_t *out)
{
    static const char from[] = "bdefnrstv", to[] = "\b\177\033\f\n\r \t\v";
    const char *found;
    int c = peek(p);
    if (c >= '0' && c <= '7') {
        *out = 0;
        for (int i = 0; i < 3 && peek(p) >= '0' && peek(p) <= '7'; i++)
            *out = 8 * *out + (uint32_t)(p->text[p->at++] - '0');
        return true;
    }
    if (accept(p, "x"))
        return read_hex_escape(p, out);
    if (accept(p, "^")) {
        c = peek(p);
        if (c < '@' || c > 'z' || c == '`')
            return fail_here(p, "expected a control character");
        *out = (uint32_t)c & 31;
        p->at++;
        return true;
    }
    found = c > 0 ? strchr(from, c) : NULL;
    if (found != NULL) {
        *out = (uint8_t)to[found - from];
        p->at++;
        return true;
    }
    return read_plain(p, out);
}

/* The text up to `quote`, which was opened already, into p->bytes. */
static bool read_quoted(struct parser *p, int quote, const char *what)
{
    uint32_t c;
    p->byte_count = 0;
    while (peek(p) != quote) {
        if (p->at >= p->length)
            return fail_here(p, what);
        if (!(accept(p, "\\") ? read_escape(p, &c) : read_plain(p, &c)) || !push_character(p, c))
            return false;
    }
    p->at++;
    return true;
}

/* ---- atoms ---- */

static bool is_letter_small(uint32_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 0xdf && c <= 0xff && c != 0xf7);
}

static bool is_name_character(uint32_t c)
{
    return is_letter_small(c) || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '@' ||
           (c >= 0xc0 && c <= 0xde && c != 0xd7);
}

static bool starts_name(const struct parser *p)
{
    uint32_t c = 0;
    return esi_utf8_decode(p->text + p->at, p->length - p->at, &c) != 0 && is_letter_small(c);
}

static bool make_atom(struct parser *p, const char *text, size_t length, es_term *out)
{
    es_atom atom;
    switch (es_atom_make(length == 0 ? "" : text, length, &atom)) {
    case ES_OK:
        *out = es_from_atom(atom);
        return true;
    case ES_ELIMIT:
        return fail_as(p, ES_ELIMIT, "E0703", "an atom of more than 255 characters, or one too many", NULL);
    case ES_ENOMEM:
        return no_memory(p);
    default:
        return fail(p, "expected UTF-8");
    }
}

static bool read_atom(struct parser *p, es_term *out)
{
    size_t start = p->at;
    uint32_t c = 0;
    p->last = "atom";
    if (accept(p, "'"))
        return read_quoted(p, '\'', "expected ' at the end of an atom") &&
               make_atom(p, p->bytes, p->byte_count, out);
    for (;;) {
        unsigned step = esi_utf8_decode(p->text + p->at, p->length - p->at, &c);
        if (step == 0 || !is_name_character(c))
            break;
        p->at += step;
    }
    return make_atom(p, p->text + start, p->at - start, out);
}

/* ---- numbers ---- */

/* Digits of that base, with single underscores between, to an integer of any size. */
static bool read_digits(struct parser *p, unsigned base, bool minus, es_term *out)
{
    size_t start = p->at, room, count = 0;
    uint64_t *words;
    while (digit_of(peek(p)) < (int)base ||
           (p->at > start && peek(p) == '_' && digit_of(peek_at(p, 1)) < (int)base))
        p->at++;
    if (p->at == start)
        return fail_here(p, "expected a digit");
    /* A digit has less than 6 bits. */
    room = (p->at - start) * 6 / 64 + 2;
    words = need_words(p, room);
    if (words == NULL)
        return false;
    for (size_t i = start; i < p->at; i++) {
        uint64_t carry;
        if (p->text[i] == '_')
            continue;
        carry = (uint64_t)digit_of(p->text[i]);
        for (size_t j = 1; j <= count; j++) {
            unsigned __int128 part = (unsigned __int128)words[j] * base + carry;
            words[j] = (uint64_t)part;
            carry = (uint64_t)(part >> 64);
        }
        if (carry != 0)
            words[++count] = carry;
    }
    *out = esi_put_big(&words, minus, count);
    use_words(p, words);
    return true;
}

/* strtod() knows the point of the user's language; ours is always a point. */
static double to_double(const char *text)
{
    static locale_t plain;
    locale_t locale = __atomic_load_n(&plain, __ATOMIC_ACQUIRE);
    if (locale == (locale_t)0) {
        locale = newlocale(LC_ALL_MASK, "C", (locale_t)0); /* one constant object in glibc */
        __atomic_store_n(&plain, locale, __ATOMIC_RELEASE);
    }
    return locale == (locale_t)0 ? strtod(text, NULL) : strtod_l(text, NULL, locale);
}

/* The length of a float that starts here, after the sign; 0 if none does. */
static size_t float_length(const struct parser *p)
{
    size_t n = 0, mark;
    while (peek_at(p, n) >= '0' && peek_at(p, n) <= '9')
        n++;
    if (n == 0 || peek_at(p, n) != '.' || peek_at(p, n + 1) < '0' || peek_at(p, n + 1) > '9')
        return 0;
    for (n++; peek_at(p, n) >= '0' && peek_at(p, n) <= '9';)
        n++;
    mark = n;
    if (peek_at(p, n) != 'e' && peek_at(p, n) != 'E')
        return mark;
    n++;
    if (peek_at(p, n) == '+' || peek_at(p, n) == '-')
        n++;
    if (peek_at(p, n) < '0' || peek_at(p, n) > '9')
        return mark;
    while (peek_at(p, n) >= '0' && peek_at(p, n) <= '9')
        n++;
    return n;
}

static bool read_float(struct parser *p, size_t length, bool minus, es_term *out)
{
    uint64_t *words = need_words(p, ESI_FLOAT_WORDS);
    double value;
    if (words == NULL)
        return false;
    p->byte_count = 0;
    for (size_t i = 0; i < length; i++)
        if (!push_byte(p, p->text[p->at + i]))
            return false;
    if (!push_byte(p, '\0'))
        return false;
    value = to_double(p->bytes);
    if (!__builtin_isfinite(value))
        return fail(p, "expected a float that fits 64 bits");
    p->at += length;
    *out = esi_put_double(&words, minus ? -value : value);
    use_words(p, words);
    return true;
}

static bool read_number(struct parser *p, es_term *out)
{
    bool minus = accept(p, "-");
    size_t length;
    unsigned base = 0, digits = 0;
    if (!minus)
        accept(p, "+");
    p->last = "number";
    if (peek(p) == '$') {
        uint32_t c;
        p->at++;
        p->last = "character";
        if (!(accept(p, "\\") ? read_escape(p, &c) : read_plain(p, &c)))
            return false;
        *out = esi_small_term(minus ? -(int64_t)c : (int64_t)c);
        return true;
    }
    length = float_length(p);
    if (length > 0)
        return read_float(p, length, minus, out);
    for (; digits < 3 && peek_at(p, digits) >= '0' && peek_at(p, digits) <= '9'; digits++)
        base = 10 * base + (unsigned)(peek_at(p, digits) - '0');
    if (digits > 0 && peek_at(p, digits) == '#') {
        if (base < 2 || base > 36)
            return fail(p, "expected a base from 2 to 36");
        p->at += digits + 1;
        return read_digits(p, base, minus, out);
    }
    return read_digits(p, 10, minus, out);
}

/* ---- strings and bitstrings ---- */

static bool read_string(struct parser *p, es_term *out)
{
    es_term list = es_nil(), *tail = &list;
    uint64_t *last = NULL;
    p->last = "string";
    if (!read_quoted(p, '"', "expected \" at the end of a string"))
        return false;
    for (size_t at = 0; at < p->byte_count;) {
        uint32_t c = 0;
        uint64_t *words = need_words(p, 2);
        es_term cell;
        if (words == NULL)
            return false;
        at += esi_utf8_decode(p->bytes + at, p->byte_count - at, &c);
        cell = esi_put_cons(&words, esi_small_term((int64_t)c), es_nil());
        if (last == NULL)
            *tail = cell;
        else
            *last = cell.w;
        last = words - 1;
        use_words(p, words);
    }
    *out = list;
    return true;
}

/* What is written after / in a segment. */
struct segment_type {
    bool utf8, little;
};

static bool read_segment_type(struct parser *p, struct segment_type *type)
{
    static const char wanted[] = "expected utf8, integer, big, little, signed or unsigned";
    do {
        skip_space(p);
        if (accept(p, "utf8"))
            type->utf8 = true;
        else if (accept(p, "little"))
            type->little = true;
        else if (!accept(p, "big") && !accept(p, "integer") && !accept(p, "signed") && !accept(p, "unsigned"))
            return fail(p, wanted);
    } while (accept(p, "-"));
    return true;
}

/* The bits that a bitstring has so far; its bytes are in `bytes`. */
struct bits {
    struct parser *p;
    char *bytes;
    size_t size;
    uint64_t count;
};

/* Room for one more byte, which begins with 0. */
static bool begin_byte(struct bits *b)
{
    if (b->count / 8 == b->size) {
        void *memory = b->bytes;
        if (!grow(b->p, &memory, &b->size, 1))
            return false;
        b->bytes = memory;
    }
    b->bytes[b->count / 8] = 0;
    return true;
}

static bool push_bit(struct bits *b, bool bit)
{
    if (b->count % 8 == 0 && !begin_byte(b))
        return false;
    if (bit)
        b->bytes[b->count / 8] |= (char)(0x80 >> b->count % 8);
    b->count++;
    return true;
}

static bool push_whole_byte(struct bits *b, uint8_t byte)
{
    if (!begin_byte(b))
        return false;
    b->bytes[b->count / 8] = (char)byte;
    b->count += 8;
    return true;
}

/* An integer of any size as words in two's complement, least first, without an end. */
struct twos {
    const uint64_t *words; /* its magnitude */
    uint64_t count, first; /* below `first` they are 0 */
    uint64_t small;        /* while count is 0 */
    bool is_negative;
};

static struct twos twos_of(es_term term)
{
    struct twos t = {.count = 0};
    if (esi_tag(term.w) == ESI_TAG_INT) {
        t.small = (uint64_t)esi_small(term.w);
        t.is_negative = esi_small(term.w) < 0;
        return t;
    }
    const uint64_t *box = esi_box(term.w);
    t.words = box + 1;
    t.count = esi_header_count(box[0]);
    t.is_negative = esi_header_kind(box[0]) != ESI_BIG_PLUS;
    while (t.first < t.count - 1 && t.words[t.first] == 0)
        t.first++;
    return t;
}

/* Word number `index`. */
static uint64_t word_of(const struct twos *t, uint64_t index)
{
    if (t->count == 0 && index == 0)
        return t->small;
    if (index >= t->count)
        return t->is_negative ? ~UINT64_C(0) : 0;
    if (!t->is_negative || index < t->first)
        return t->words[index];
    return index == t->first ? -t->words[index] : ~t->words[index];
}

static bool push_integer(struct bits *b, es_term value, uint64_t size, bool little)
{
    struct twos t = twos_of(value);
    if (little && size % 8 != 0)
        return fail(b->p, "expected whole bytes for a little-endian integer");
    bool are_bytes = size % 8 == 0 && b->count % 8 == 0;
    for (uint64_t i = 0; are_bytes && i < size / 8; i++) {
        uint64_t at = little ? i : size / 8 - 1 - i;
        if (!push_whole_byte(b, (uint8_t)(word_of(&t, at / 8) >> at % 8 * 8)))
            return false;
    }
    for (uint64_t i = 0; !are_bytes && i < size; i++) {
        uint64_t index = little ? i / 8 * 8 + 7 - i % 8 : size - 1 - i;
        if (!push_bit(b, word_of(&t, index / 64) >> index % 64 & 1))
            return false;
    }
    return true;
}

static bool push_text_byte(struct bits *b, uint8_t byte)
{
    return push_integer(b, esi_small_term(byte), 8, false);
}

/* A string in a bitstring: its characters as bytes, or as UTF-8. */
static bool push_string(struct bits *b, bool utf8)
{
    struct parser *p = b->p;
    for (size_t at = 0; at < p->byte_count;) {
        uint32_t c = 0;
        unsigned step = esi_utf8_decode(p->bytes + at, p->byte_count - at, &c);
        if (!utf8 && c > 255)
            return fail(p, "expected /utf8 after a string with this character");
        if (!utf8 && !push_text_byte(b, (uint8_t)c))
            return false;
        for (unsigned i = 0; utf8 && i < step; i++)
            if (!push_text_byte(b, (uint8_t)p->bytes[at + i]))
                return false;
        at += step;
    }
    return true;
}

static bool push_code_point(struct bits *b, es_term value)
{
    struct parser *p = b->p;
    int64_t c = 0;
    if (!es_get_int64(value, &c) || c < 0 || c > 0x10ffff)
        return fail(p, "expected a character before /utf8");
    p->byte_count = 0;
    return push_character(p, (uint32_t)c) && push_string(b, true);
}

static bool read_segment(struct parser *p, struct bits *b)
{
    struct segment_type type = {false, false};
    enum { SIZE_MAX_BITS = 1 << 24 };
    int64_t size = 8;
    es_term value = es_nil(), number;
    size_t start;
    bool is_string;
    skip_space(p);
    start = p->at;
    is_string = accept(p, "\"");
    if (is_string ? !read_quoted(p, '"', "expected \" at the end of a string") : !read_number(p, &value))
        return false;
    skip_space(p);
    if (!is_string && accept(p, ":")) {
        skip_space(p);
        if (!read_digits(p, 10, false, &number))
            return false;
        if (!es_get_int64(number, &size) || size > SIZE_MAX_BITS)
            return fail(p, "expected a size of at most 16777216 bits");
        skip_space(p);
    }
    if (accept(p, "/") && !read_segment_type(p, &type))
        return false;
    p->start = start;
    if (is_string)
        return push_string(b, type.utf8);
    return type.utf8 ? push_code_point(b, value) : push_integer(b, value, (uint64_t)size, type.little);
}

static bool read_segments(struct parser *p, struct bits *b)
{
    skip_space(p);
    if (accept(p, ">>"))
        return true;
    for (;;) {
        skip_space(p);
        if (peek(p) != '"' && peek(p) != '$' && peek(p) != '-' && digit_of(peek(p)) > 9)
            return fail(p, "expected an integer, a string or >> in a binary");
        if (!read_segment(p, b))
            return false;
        skip_space(p);
        if (accept(p, ">>"))
            return true;
        if (!accept(p, ","))
            return fail(p, "expected ',' or >> in a binary");
    }
}

static bool read_bitstring(struct parser *p, es_term *out)
{
    struct bits b = {p, NULL, 0, 0};
    bool good = read_segments(p, &b);
    if (good) {
        uint64_t *words = need_words(p, esi_bits_words(b.count));
        good = words != NULL;
        if (good) {
            *out = esi_put_bits(&words, (const uint8_t *)b.bytes, b.count, &p->offheap);
            good = !es_is_none(*out) || no_memory(p);
        }
        if (good)
            use_words(p, words);
    }
    esi_free(b.bytes);
    p->last = "binary";
    return good;
}

/* ---- fun m:f/1 ---- */

static bool read_export(struct parser *p, es_term *out)
{
    es_term parts[3];
    uint64_t *words;
    for (int i = 0; i < 3; i++) {
        skip_space(p);
        if (i < 2 && peek(p) != '\'' && !starts_name(p))
            return fail(p, "expected fun Module:Function/Arity");
        if (!(i < 2 ? read_atom(p, &parts[i]) : read_digits(p, 10, false, &parts[i])))
            return false;
        skip_space(p);
        if (i < 2 && !accept(p, i == 0 ? ":" : "/"))
            return fail(p, i == 0 ? "expected ':' in fun Module:Function/Arity"
                                  : "expected '/' in fun Module:Function/Arity");
    }
    words = need_words(p, 4);
    if (words == NULL)
        return false;
    words[0] = ESI_HEADER(ESI_EXPORT, 3);
    for (int i = 0; i < 3; i++)
        words[1 + i] = parts[i].w;
    *out = esi_term_of(esi_word_of_box(words));
    use_words(p, words + 4);
    p->last = "fun";
    return true;
}

static bool starts_fun(const struct parser *p)
{
    return p->length - p->at > 3 && memcmp(p->text + p->at, "fun", 3) == 0 &&
           (uint8_t)p->text[p->at + 3] <= ' ';
}

/* ---- brackets ---- */

static bool open_bracket(struct parser *p, enum open open)
{
    if (p->bracket_count == ESI_PARSE_DEPTH_MAX)
        return fail_as(p, ES_ELIMIT, "E0702", "more than 10000 brackets one in the other", NULL);
    if (p->bracket_count == p->bracket_size) {
        void *memory = p->brackets;
        if (!grow(p, &memory, &p->bracket_size, sizeof *p->brackets))
            return false;
        p->brackets = memory;
    }
    p->brackets[p->bracket_count++] = (struct bracket){open, p->value_count, false};
    return true;
}

static es_term make_tuple(struct parser *p, uint64_t *words, const es_term *values, size_t count)
{
    uint64_t *elements;
    es_term tuple = esi_put_tuple(&words, count, &elements);
    for (size_t i = 0; i < count; i++)
        elements[i] = values[i].w;
    use_words(p, words);
    return tuple;
}

static es_term make_list(struct parser *p, uint64_t *words, const es_term *values, size_t count,
                         bool has_tail)
{
    es_term list = has_tail ? values[--count] : es_nil();
    while (count-- > 0)
        list = esi_put_cons(&words, values[count], list);
    use_words(p, words);
    return list;
}

static es_term make_map(struct parser *p, uint64_t *words, const es_term *values, size_t count)
{
    uint64_t *keys;
    es_term map = esi_put_map(&words, count / 2, &keys);
    for (size_t i = 0; i < count / 2; i++) {
        keys[i] = values[2 * i].w;
        keys[count / 2 + i] = values[2 * i + 1].w;
    }
    use_words(p, words);
    if (!esi_map_finish(map))
        fail(p, "expected keys that differ in this map");
    return map;
}

/* Replaces what is in the innermost bracket by the one value that it makes. */
static bool close_bracket(struct parser *p)
{
    static const char *const names[] = {"tuple", "list", "map"};
    struct bracket b = p->brackets[p->bracket_count - 1];
    size_t count = p->value_count - b.first;
    uint64_t *words = need_words(p, 2 * count + 1);
    const es_term *values = p->values != NULL ? p->values + b.first : NULL;
    es_term term;
    if (words == NULL)
        return false;
    if (b.open == OPEN_TUPLE)
        term = make_tuple(p, words, values, count);
    else if (b.open == OPEN_LIST)
        term = make_list(p, words, values, count, b.has_tail);
    else
        term = make_map(p, words, values, count);
    p->bracket_count--;
    p->value_count = b.first;
    p->last = names[b.open];
    return p->err == ES_OK && push_value(p, term);
}

/* A closing bracket that fits an innermost one in which nothing is. */
static bool closes_empty(struct parser *p)
{
    const struct bracket *b;
    if (p->bracket_count == 0)
        return false;
    b = &p->brackets[p->bracket_count - 1];
    return b->first == p->value_count && accept(p, b->open == OPEN_LIST ? "]" : "}");
}

/* One value, or the opening of one: true with *complete false then. */
static bool read_value(struct parser *p, bool *complete)
{
    es_term term = es_nil();
    int c;
    bool good;
    skip_space(p);
    c = peek(p);
    *complete = true;
    if (closes_empty(p))
        return close_bracket(p);
    *complete = false;
    if (accept(p, "{"))
        return open_bracket(p, OPEN_TUPLE);
    if (accept(p, "["))
        return open_bracket(p, OPEN_LIST);
    if (accept(p, "#{"))
        return open_bracket(p, OPEN_MAP);
    *complete = true;
    if (accept(p, "<<"))
        good = read_bitstring(p, &term);
    else if (accept(p, "\""))
        good = read_string(p, &term);
    else if (starts_fun(p) && accept(p, "fun"))
        good = read_export(p, &term);
    else if (c == '\'' || starts_name(p))
        good = read_atom(p, &term);
    else if ((c >= '0' && c <= '9') || c == '-' || c == '+' || c == '$')
        good = read_number(p, &term);
    else if ((c >= 'A' && c <= 'Z') || c == '_')
        good = fail(p, "expected a term, but this is a variable");
    else
        good = fail_as(p, ES_ESYNTAX, "E0701", "expected a term", p->bracket_count > 0 ? p->last : NULL);
    return good && push_value(p, term);
}

/* What may follow a value in the innermost bracket: true to read another value, false with p->err for a mistake, and
 * false without where the term is complete. */
static bool read_separator(struct parser *p)
{
    struct bracket *b;
    size_t count;
    while (p->bracket_count > 0) {
        b = &p->brackets[p->bracket_count - 1];
        count = p->value_count - b->first;
        skip_space(p);
        if (b->open == OPEN_MAP && count % 2 == 1) {
            if (accept(p, "=>"))
                return true;
            return fail_as(p, ES_ESYNTAX, "E0701", "expected =>", p->last);
        }
        if (b->open == OPEN_LIST && !b->has_tail && accept(p, "|"))
            return b->has_tail = true;
        if (!(b->open == OPEN_LIST && b->has_tail) && accept(p, ",")) {
            p->last = "','";
            return true;
        }
        if (!accept(p, b->open == OPEN_LIST ? "]" : "}"))
            return fail_as(p, ES_ESYNTAX, "E0701",
                           b->open != OPEN_LIST ? "expected ',' or '}'"
                           : b->has_tail        ? "expected ']'"
                                                : "expected ',', '|' or ']'",
                           p->last);
        if (!close_bracket(p))
            return false;
    }
    return false;
}

static bool read_term(struct parser *p)
{
    bool complete;
    for (;;) {
        if (!read_value(p, &complete))
            return false;
        if (!complete)
            continue;
        if (!read_separator(p))
            break;
    }
    if (p->err != ES_OK)
        return false;
    skip_space(p);
    if (accept(p, "."))
        skip_space(p);
    return p->at == p->length || fail_as(p, ES_ESYNTAX, "E0701", "expected the end", p->last);
}

/* ---- the whole ---- */

static void find_place(struct esi_parse_result *out, const struct parser *p)
{
    size_t line = 1, column = 1;
    for (size_t i = 0; i < p->start && i < p->length; i++) {
        if (p->text[i] == '\n') {
            line++;
            column = 1;
        } else if (((uint8_t)p->text[i] & 0xc0) != 0x80) {
            column++;
        }
    }
    out->line = line;
    out->column = column;
    out->offset = p->start;
    out->code = p->code;
    memcpy(out->expected, p->expected, sizeof out->expected);
}

/* Copies the term out of the scratch memory into one block. */
static bool finish(struct parser *p, struct esi_parse_result *out)
{
    if (esi_term_measure(p->values[0], &out->word_count) != ES_OK)
        return no_memory(p);
    out->term = p->values[0];
    if (out->word_count == 0)
        return true;
    out->words = esi_alloc(out->word_count * sizeof *out->words);
    if (out->words == NULL)
        return no_memory(p);
    out->term = esi_term_copy(p->values[0], out->words, &out->offheap);
    if (!es_is_none(out->term))
        return true;
    esi_free(out->words);
    out->words = NULL;
    return no_memory(p);
}

es_err esi_parse(const char *text, size_t length, struct esi_parse_result *out)
{
    struct parser p = {.text = text, .length = length, .last = "nothing"};
    memset(out, 0, sizeof *out);
    if (!read_term(&p) || !finish(&p, out))
        find_place(out, &p);
    esi_offheap_release(p.offheap);
    while (p.chunk != NULL) {
        struct chunk *older = p.chunk->older;
        esi_free(p.chunk);
        p.chunk = older;
    }
    esi_free(p.values);
    esi_free(p.brackets);
    esi_free(p.bytes);
    return p.err;
}

void esi_parse_free(struct esi_parse_result *result)
{
    esi_offheap_release(result->offheap);
    esi_free(result->words);
    result->offheap = NULL;
    result->words = NULL;
}

void esi_parse_explain(struct esi_text *out, const struct esi_parse_result *result, const char *text,
                       size_t length)
{
    static const char margin[] = "       ";
    size_t start = result->offset < length ? result->offset : length, end;
    while (start > 0 && text[start - 1] != '\n')
        start--;
    for (end = start; end < length && text[end] != '\n';)
        end++;
    esi_text_str(out, "error[");
    esi_text_str(out, result->code != NULL ? result->code : "E0701");
    esi_text_str(out, "]: term, ");
    if (result->line > 1) {
        esi_text_str(out, "line ");
        esi_text_u64(out, result->line);
        esi_text_str(out, ", ");
    }
    esi_text_str(out, "column ");
    esi_text_u64(out, result->column);
    esi_text_str(out, ": ");
    esi_text_str(out, result->expected);
    esi_text_str(out, "\n");
    esi_text_str(out, margin);
    for (size_t i = start; i < end; i++) {
        uint8_t c = (uint8_t)text[i];
        esi_text_char(out, c < ' ' || c == 127 ? ' ' : text[i]);
    }
    esi_text_str(out, "\n");
    esi_text_str(out, margin);
    for (size_t i = 1; i < result->column; i++)
        esi_text_char(out, ' ');
    esi_text_str(out, "^\n");
}

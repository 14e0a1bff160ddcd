/* base/text.c - appending with an end in sight. */
#include <string.h>
#include "base/assert.h"
#include "base/text.h"
#include "base/utf8.h"

void esi_text_init(struct esi_text *text, char *bytes, size_t size)
{
    esi_assert(size >= 1);
    *text = (struct esi_text){.bytes = bytes, .size = size};
    bytes[0] = '\0';
}

/* Appends all or, if it does not fit, nothing. False: it was cut. */
static bool append_whole(struct esi_text *text, const char *bytes, size_t length)
{
    if (text->cut || length > text->size - 1 - text->length) {
        text->cut = true;
        return false;
    }
    memcpy(text->bytes + text->length, bytes, length);
    text->length += length;
    text->bytes[text->length] = '\0';
    return true;
}

void esi_text_strn(struct esi_text *text, const char *bytes, size_t length)
{
    size_t room = text->size - 1 - text->length;
    if (length <= room || text->cut) {
        append_whole(text, bytes, length);
        return;
    }
    append_whole(text, bytes, room);
    text->cut = true;
}

void esi_text_str(struct esi_text *text, const char *string)
{
    esi_text_strn(text, string, strlen(string));
}

void esi_text_char(struct esi_text *text, char c)
{
    append_whole(text, &c, 1);
}

/* Digits of `value` with leading zeros up to `width`, at most 64 characters in all, after a sign if there is
 * one. */
static void append_number(struct esi_text *text, uint64_t value, unsigned base, unsigned width,
                          const char *sign)
{
    char digits[65];
    unsigned at = sizeof digits;
    if (width > 64)
        width = 64;
    do {
        digits[--at] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value || sizeof digits - at < width);
    if (*sign)
        digits[--at] = *sign;
    append_whole(text, digits + at, sizeof digits - at);
}

void esi_text_u64(struct esi_text *text, uint64_t value)
{
    append_number(text, value, 10, 1, "");
}

void esi_text_i64(struct esi_text *text, int64_t value)
{
    if (value < 0)
        append_number(text, 0 - (uint64_t)value, 10, 1, "-");
    else
        append_number(text, (uint64_t)value, 10, 1, "");
}

void esi_text_padded(struct esi_text *text, uint64_t value, unsigned width)
{
    append_number(text, value, 10, width, "");
}

void esi_text_hex(struct esi_text *text, uint64_t value)
{
    append_number(text, value, 16, 1, "");
}

/* What stands for `character` after a backslash: a letter, 'u' for \uXXXX, or 0 if it may stand for itself.
 */
static char escape_of(uint32_t character)
{
    switch (character) {
    case '"':
        return '"';
    case '\\':
        return '\\';
    case '\b':
        return 'b';
    case '\f':
        return 'f';
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    }
    bool is_control = character < 0x20 || (character >= 0x7f && character < 0xa0);
    bool is_break = character == 0x2028 || character == 0x2029;
    /* These turn the direction of what follows, and so could make a line read as another. */
    bool is_turn =
        (character >= 0x202a && character <= 0x202e) || (character >= 0x2066 && character <= 0x2069);
    return is_control || is_break || is_turn ? 'u' : 0;
}

/* Appends \uXXXX; all that needs it is below 65536. */
static bool append_unicode_escape(struct esi_text *text, uint32_t character)
{
    char escape[6] = {'\\', 'u'};
    for (int i = 0; i < 4; i++)
        escape[2 + i] = "0123456789abcdef"[character >> (12 - 4 * i) & 15];
    return append_whole(text, escape, sizeof escape);
}

static void append_escaped(struct esi_text *text, const char *bytes, size_t length, bool is_quoted)
{
    bool fits = true;
    while (length > 0 && fits) {
        uint32_t character;
        unsigned size = esi_utf8_decode(bytes, length, &character);
        char escape = size ? escape_of(character) : 'u';
        if (!size)
            character = 0xfffd;
        if (!is_quoted && (escape == '"' || escape == '\\'))
            escape = 0;
        if (!escape)
            fits = append_whole(text, bytes, size);
        else if (escape == 'u')
            fits = append_unicode_escape(text, character);
        else
            fits = append_whole(text, (char[]){'\\', escape}, 2);
        bytes += size ? size : 1;
        length -= size ? size : 1;
    }
}

void esi_text_escaped(struct esi_text *text, const char *bytes, size_t length)
{
    append_escaped(text, bytes, length, true);
}

void esi_text_printable(struct esi_text *text, const char *bytes, size_t length)
{
    append_escaped(text, bytes, length, false);
}

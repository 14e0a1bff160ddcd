/* base/utf8.c - RFC 3629 by its table of well-formed sequences. */
#include "base/utf8.h"

/* How many bytes a character that starts with this byte has; 0 if none does. */
static unsigned size_by_first(unsigned char first)
{
    if (first < 0x80)
        return 1;
    if (first < 0xc2) /* a byte of the middle, or the start of an overlong form */
        return 0;
    if (first < 0xe0)
        return 2;
    if (first < 0xf0)
        return 3;
    return first < 0xf5 ? 4 : 0;
}

static bool is_character(uint32_t c, unsigned size)
{
    static const uint32_t smallest[5] = {0, 0, 0x80, 0x800, 0x10000};
    return c >= smallest[size] && c <= 0x10ffff && !(c >= 0xd800 && c <= 0xdfff);
}

unsigned esi_utf8_decode(const char *bytes, size_t length, uint32_t *out)
{
    static const unsigned char first_bits[5] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    if (length == 0)
        return 0;
    unsigned size = size_by_first((unsigned char)bytes[0]);
    if (size == 0 || size > length)
        return 0;
    uint32_t c = (unsigned char)bytes[0] & first_bits[size];
    for (unsigned i = 1; i < size; i++) {
        unsigned char byte = (unsigned char)bytes[i];
        if ((byte & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (byte & 0x3f);
    }
    if (!is_character(c, size))
        return 0;
    *out = c;
    return size;
}

unsigned esi_utf8_encode(uint32_t character, char out[4])
{
    unsigned size = character < 0x80 ? 1 : character < 0x800 ? 2 : character < 0x10000 ? 3 : 4;
    static const unsigned char marks[5] = {0, 0, 0xc0, 0xe0, 0xf0};
    if (!is_character(character, size))
        return 0;
    for (unsigned i = size - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (character & 0x3f));
        character >>= 6;
    }
    out[0] = (char)(marks[size] | character);
    return size;
}

bool esi_utf8_count(const char *bytes, size_t length, size_t *out)
{
    size_t count = 0;
    while (length > 0) {
        uint32_t character;
        unsigned size = esi_utf8_decode(bytes, length, &character);
        if (size == 0)
            return false;
        bytes += size;
        length -= size;
        count++;
    }
    *out = count;
    return true;
}

bool esi_utf8_is_valid(const char *bytes, size_t length)
{
    size_t count;
    return esi_utf8_count(bytes, length, &count);
}

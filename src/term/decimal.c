/* decimal.c - numbers as Erlang text.
 *
 * Doubles: R. Burger, R. Dybvig, "Printing Floating-Point Numbers Quickly and Accurately" (1996), with whole numbers
 * of fixed size. Not the fastest way, but exact, and usable in a signal handler. */
#include "term/decimal.h"

#include <stdbool.h>
#include <string.h>
#include "base/assert.h"

/* 2^1074 times 2^53 and a few bits, or 10^324 times as much, fit in 1200 bits. */
enum { PARTS = 40 };

struct whole {
    uint32_t part[PARTS]; /* least first */
    int count;            /* the last in use is not 0 */
};

static void set_u64(struct whole *x, uint64_t value)
{
    x->count = 0;
    for (; value != 0; value >>= 32)
        x->part[x->count++] = (uint32_t)value;
}

static void multiply(struct whole *x, uint32_t by)
{
    uint64_t carry = 0;
    for (int i = 0; i < x->count; i++) {
        carry += (uint64_t)x->part[i] * by;
        x->part[i] = (uint32_t)carry;
        carry >>= 32;
    }
    if (carry != 0) {
        esi_assert(x->count < PARTS);
        x->part[x->count++] = (uint32_t)carry;
    }
}

static void multiply_power_of_10(struct whole *x, int power)
{
    for (; power >= 9; power -= 9)
        multiply(x, 1000000000u);
    for (; power > 0; power--)
        multiply(x, 10);
}

static void shift_left(struct whole *x, int bits)
{
    for (; bits >= 31; bits -= 31)
        multiply(x, 1u << 31);
    multiply(x, 1u << bits);
}

static int order(const struct whole *x, const struct whole *y)
{
    if (x->count != y->count)
        return x->count < y->count ? -1 : 1;
    for (int i = x->count; i-- > 0;)
        if (x->part[i] != y->part[i])
            return x->part[i] < y->part[i] ? -1 : 1;
    return 0;
}

static void add(struct whole *x, const struct whole *y)
{
    uint64_t carry = 0;
    for (int i = 0; i < y->count || carry != 0; i++) {
        if (i == x->count) {
            esi_assert(i < PARTS);
            x->part[x->count++] = 0;
        }
        carry += (uint64_t)x->part[i] + (i < y->count ? y->part[i] : 0);
        x->part[i] = (uint32_t)carry;
        carry >>= 32;
    }
}

/* y <= x */
static void subtract(struct whole *x, const struct whole *y)
{
    int64_t carry = 0;
    for (int i = 0; i < x->count; i++) {
        carry += (int64_t)x->part[i] - (i < y->count ? (int64_t)y->part[i] : 0);
        x->part[i] = (uint32_t)carry;
        carry >>= 32;
    }
    while (x->count > 0 && x->part[x->count - 1] == 0)
        x->count--;
}

static int order_of_sum(const struct whole *x, const struct whole *more, const struct whole *y)
{
    struct whole sum = *x;
    add(&sum, more);
    return order(&sum, y);
}

/* The value is rest / scale; all that lies between it - below / scale and it + above / scale reads back as it. */
struct range {
    struct whole rest, scale, above, below;
    bool with_ends;
};

static void set_range(struct range *r, uint64_t fraction, int exponent)
{
    int wider = fraction == (uint64_t)1 << 52 && exponent > -1074; /* the neighbour below is nearer */
    set_u64(&r->rest, fraction);
    set_u64(&r->scale, 1);
    set_u64(&r->above, 1);
    set_u64(&r->below, 1);
    shift_left(&r->rest, 1 + wider + (exponent > 0 ? exponent : 0));
    shift_left(&r->scale, 1 + wider + (exponent < 0 ? -exponent : 0));
    shift_left(&r->above, wider + (exponent > 0 ? exponent : 0));
    shift_left(&r->below, exponent > 0 ? exponent : 0);
    r->with_ends = (fraction & 1) == 0;
}

static void times_10(struct range *r)
{
    multiply(&r->rest, 10);
    multiply(&r->above, 10);
    multiply(&r->below, 10);
}

/* Makes the value less than 1 and at least 1/10; gives the power of ten that was taken out. */
static int normalize(struct range *r, int bit_length)
{
    int power = (int)((bit_length - 1) * 0.30102999566398119521 + 1024) - 1023; /* at most one too small */
    int reach;
    power -= 1;
    if (power >= 0) {
        multiply_power_of_10(&r->scale, power);
    } else {
        multiply_power_of_10(&r->rest, -power);
        multiply_power_of_10(&r->above, -power);
        multiply_power_of_10(&r->below, -power);
    }
    for (;; power++) {
        reach = order_of_sum(&r->rest, &r->above, &r->scale);
        if (reach < 0 || (reach == 0 && !r->with_ends))
            return power;
        multiply(&r->scale, 10);
    }
}

/* Writes the digits; 0.DIGITS times 10 to the power `*power` is the value. */
static size_t digits_of(double value, char *digits, int *power)
{
    struct range r;
    uint64_t bits, fraction;
    int exponent, bit_length;
    size_t count = 0;
    memcpy(&bits, &value, sizeof bits);
    fraction = bits & (((uint64_t)1 << 52) - 1);
    exponent = (int)(bits >> 52 & 0x7ff);
    if (exponent != 0)
        fraction |= (uint64_t)1 << 52;
    else
        exponent = 1;
    exponent -= 1075;
    bit_length = exponent + 64 - __builtin_clzll(fraction);
    set_range(&r, fraction, exponent);
    *power = normalize(&r, bit_length);
    for (;;) {
        int digit = 0, low, high;
        times_10(&r);
        for (; order(&r.rest, &r.scale) >= 0; digit++)
            subtract(&r.rest, &r.scale);
        low = order(&r.rest, &r.below);
        high = order_of_sum(&r.rest, &r.above, &r.scale);
        low = low < 0 || (low == 0 && r.with_ends);
        high = high > 0 || (high == 0 && r.with_ends);
        if (!low && !high) {
            digits[count++] = (char)('0' + digit);
            continue;
        }
        if (high && (!low || order_of_sum(&r.rest, &r.rest, &r.scale) >= 0))
            digit++;
        digits[count++] = (char)('0' + digit);
        return count;
    }
}

struct line {
    char *bytes;
    size_t length;
};

static void put(struct line *line, const char *bytes, size_t length)
{
    memcpy(line->bytes + line->length, bytes, length);
    line->length += length;
}

static void put_zeros(struct line *line, int count)
{
    for (; count > 0; count--)
        put(line, "0", 1);
}

static void put_exponent(struct line *line, const char *digits, size_t count, int exponent)
{
    char text[8];
    size_t at = sizeof text;
    unsigned rest = (unsigned)(exponent < 0 ? -exponent : exponent);
    put(line, digits, 1);
    put(line, ".", 1);
    put(line, count > 1 ? digits + 1 : "0", count > 1 ? count - 1 : 1);
    put(line, exponent < 0 ? "e-" : "e", exponent < 0 ? 2 : 1);
    do
        text[--at] = (char)('0' + rest % 10);
    while ((rest /= 10) != 0);
    put(line, text + at, sizeof text - at);
}

/* Where the point goes: whichever is shorter. Source: OTP's io_lib_format:insert_decimal/2. */
size_t esi_double_text(double value, char out[ESI_DOUBLE_TEXT])
{
    struct line line = {out, 0};
    char digits[20];
    int power, exponent, cost, count;
    if (__builtin_signbit(value)) {
        put(&line, "-", 1);
        value = -value;
    }
    if (value == 0) {
        put(&line, "0.0", 3);
        return line.length;
    }
    count = (int)digits_of(value, digits, &power);
    exponent = power - 1;
    cost = (exponent < 0) +
           (exponent <= -100 || exponent >= 100 ? 3
            : exponent <= -10 || exponent >= 10 ? 2
                                                : 1) +
           1 + (count == 1 ? 2 : 1);
    if (power > 0 && power < count) {
        put(&line, digits, (size_t)power);
        put(&line, ".", 1);
        put(&line, digits + power, (size_t)(count - power));
    } else if (power <= 0 && 2 - power <= cost) {
        put(&line, "0.", 2);
        put_zeros(&line, -power);
        put(&line, digits, (size_t)count);
    } else if (power > 0 && power - count + 2 <= cost && value < 9007199254740992.0) {
        put(&line, digits, (size_t)count);
        put_zeros(&line, power - count);
        put(&line, ".0", 2);
    } else {
        put_exponent(&line, digits, (size_t)count, exponent);
    }
    return line.length;
}

size_t esi_magnitude_text(uint64_t *words, size_t count, char *out)
{
    size_t length = 0;
    while (count > 0) {
        uint64_t rest = 0;
        for (size_t i = count; i-- > 0;) {
            unsigned __int128 part = (unsigned __int128)rest << 64 | words[i];
            words[i] = (uint64_t)(part / 10000000000000000000u);
            rest = (uint64_t)(part % 10000000000000000000u);
        }
        while (count > 0 && words[count - 1] == 0)
            count--;
        for (int i = 0; i < 19 && (count > 0 || rest != 0); i++, rest /= 10)
            out[length++] = (char)('0' + rest % 10);
    }
    if (length == 0)
        out[length++] = '0';
    for (size_t i = 0; i < length / 2; i++) {
        char c = out[i];
        out[i] = out[length - 1 - i];
        out[length - 1 - i] = c;
    }
    return length;
}

/* exchange/histogram.c - each power of two in as many equal parts. */
#include "histogram.h"

static int bucket_of(uint64_t value)
{
    int shift = 0;
    while (value >> shift >= 2 * HISTOGRAM_FINE)
        shift++;
    int bucket = shift * HISTOGRAM_FINE + (int)(value >> shift);
    return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

/* The largest value of a bucket. */
static int64_t value_of(int bucket)
{
    if (bucket < 2 * HISTOGRAM_FINE)
        return bucket;
    int shift = bucket / HISTOGRAM_FINE - 1;
    return ((int64_t)(bucket - shift * HISTOGRAM_FINE + 1) << shift) - 1;
}

void histogram_add(struct histogram *h, int64_t value)
{
    h->count[bucket_of(value > 0 ? (uint64_t)value : 0)]++;
    h->total++;
}

int64_t histogram_at(const struct histogram *h, int permille)
{
    uint64_t wanted = (h->total * (uint64_t)permille + 999) / 1000, seen = 0;
    for (int i = 0; i < HISTOGRAM_BUCKETS && h->total > 0; i++) {
        seen += h->count[i];
        if (seen >= wanted)
            return value_of(i);
    }
    return 0;
}

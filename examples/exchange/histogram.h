/* exchange/histogram.h - many times in little memory: how long did the slowest hundredth take? Exact to 3 %. */
#ifndef EXCHANGE_HISTOGRAM_H
#define EXCHANGE_HISTOGRAM_H

#include <stdint.h>

enum { HISTOGRAM_FINE = 32, HISTOGRAM_BUCKETS = 40 * HISTOGRAM_FINE };

/* Zeroed: empty. */
struct histogram {
    uint64_t total;
    uint32_t count[HISTOGRAM_BUCKETS];
};

/* Adds one value, 0 or more. */
void histogram_add(struct histogram *h, int64_t value);

/* The value that `permille` of all do not exceed; 0 when there are none. */
int64_t histogram_at(const struct histogram *h, int permille);

#endif

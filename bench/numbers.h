/* Clocks, numbers as they travel in messages, and latencies. */
#include <stdint.h>
#include <string.h>
#include <time.h>

typedef uint64_t u64;
typedef uint32_t u32;

static u64 clock_ns(clockid_t clock) {
    struct timespec t;
    if (clock_gettime(clock, &t) < 0) return 0;
    return (u64)t.tv_sec * 1000000000 + t.tv_nsec;
}

static u64 now_ns(void) { return clock_ns(CLOCK_MONOTONIC); }

/* Numbers as letters: four bits a letter, a to p. They need no escapes in any dialect, and decode without a loop. */

static void put8(char *out, u32 value) {
    for (int i = 0; i < 8; i++) out[i] = 'a' + (value >> (28 - 4 * i) & 15);
}

static u32 get8(const char *in) {
    u64 x;
    memcpy(&x, in, 8);
    x = __builtin_bswap64(x - 0x6161616161616161u);
    x = (x | x >> 4) & 0x00ff00ff00ff00ffu;
    x = (x | x >> 8) & 0x0000ffff0000ffffu;
    return (u32)(x | x >> 16);
}

static void put_time(char *out, u64 time) { put8(out, time >> 32), put8(out + 8, (u32)time); }
static u64 get_time(const char *in) { return (u64)get8(in) << 32 | get8(in + 8); }

/* Latencies: 64 steps to each power of two, so that a percentile is right to 1.6 %. */

enum { STEPS = 64, BUCKETS = 64 * STEPS };
typedef struct { u64 bucket[BUCKETS], count, max; } Histogram;

static void note(Histogram *h, u64 ns) {
    int power = ns < STEPS ? 0 : 63 - __builtin_clzll(ns) - 5;
    h->bucket[power * STEPS + (power ? (ns >> power) & (STEPS - 1) : ns)]++;
    h->count++;
    if (ns > h->max) h->max = ns;
}

static u64 percentile(const Histogram *h, double part) {
    u64 seen = 0;
    for (int i = 0; i < BUCKETS; i++)
        if ((seen += h->bucket[i]) > h->count * part) return (u64)(i % STEPS) << (i / STEPS);
    return 0;
}

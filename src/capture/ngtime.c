// SPDX-License-Identifier: Apache-2.0
#include "capture/ngtime.h"

enum { NS_PER_S = 1000000000, NS_DIGITS = 9, POWER_OF_TWO = 0x80, MAX_DIGITS_64 = 19 };

void pf_ngtime_init(struct pf_ngtime *t, uint8_t resolution, int64_t offset_s)
{
    *t = (struct pf_ngtime){.resolution = resolution, .offset_s = offset_s};
    if (resolution <= NS_DIGITS) {
        t->multiply = 1;
        for (int i = resolution; i < NS_DIGITS; i++) {
            t->multiply *= 10;
        }
    }
}

/* Less than 2^94: 64-bit ticks times at most 10^9. */
static unsigned __int128 to_ns(const struct pf_ngtime *t, uint64_t ticks)
{
    if (t->multiply != 0) {
        return (unsigned __int128)ticks * t->multiply;
    }
    if ((t->resolution & POWER_OF_TWO) != 0) {
        return (unsigned __int128)ticks * NS_PER_S >> (t->resolution & (POWER_OF_TWO - 1));
    }
    int digits = t->resolution - NS_DIGITS;
    uint64_t divide = 1;
    for (int i = 0; i < digits && i < MAX_DIGITS_64; i++) {
        divide *= 10;
    }
    return digits > MAX_DIGITS_64 ? 0 : ticks / divide;
}

int64_t pf_ngtime_ns(const struct pf_ngtime *t, uint64_t ticks)
{
    int64_t ns;
    if (t->offset_s == 0 && !__builtin_mul_overflow(ticks, t->multiply, &ns) && t->multiply != 0) {
        return ns;
    }
    __int128 sum = (__int128)to_ns(t, ticks) + (__int128)t->offset_s * NS_PER_S;
    if (sum > INT64_MAX) {
        return INT64_MAX;
    }
    return sum < INT64_MIN ? INT64_MIN : (int64_t)sum;
}

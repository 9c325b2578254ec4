// SPDX-License-Identifier: Apache-2.0
#include "store/rows.h"

#include "store/index.h"

uint32_t pf_row_tie(const struct pf_flow_key *key)
{
    return pf_index_check((struct pf_span){.ptr = (const uint8_t *)key, .len = sizeof(*key)});
}

bool pf_row_before(const struct pf_row *a, const struct pf_row *b)
{
    return a->first_packet != b->first_packet ? a->first_packet < b->first_packet : a->tie < b->tie;
}

/* Within one spool. */
static bool comes_before(const struct pf_row *a, const struct pf_row *b)
{
    return pf_row_before(a, b) || (!pf_row_before(b, a) && a->pos < b->pos);
}

static void swap(struct pf_row *a, struct pf_row *b)
{
    struct pf_row t = *a;
    *a = *b;
    *b = t;
}

static void sift(struct pf_row *rows, size_t root, size_t n)
{
    for (;;) {
        size_t child = 2 * root + 1;
        if (child >= n) {
            return;
        }
        if (child + 1 < n && comes_before(&rows[child], &rows[child + 1])) {
            child++;
        }
        if (!comes_before(&rows[root], &rows[child])) {
            return;
        }
        swap(&rows[root], &rows[child]);
        root = child;
    }
}

/* Heap sort: qsort takes memory, or is slow for some orders. */
void pf_rows_sort(struct pf_row *rows, size_t n)
{
    for (size_t i = n / 2; i > 0; i--) {
        sift(rows, i - 1, n);
    }
    for (size_t i = n; i > 1; i--) {
        swap(&rows[0], &rows[i - 1]);
        sift(rows, 0, i - 1);
    }
}

size_t pf_rows_from(const struct pf_row *rows, size_t n, uint64_t first_packet)
{
    size_t low = 0;
    size_t high = n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (rows[mid].first_packet < first_packet) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

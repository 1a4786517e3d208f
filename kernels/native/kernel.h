/* All that runs on a block of rows, for one instruction set: LEVEL, whose functions are NAMEd. */

#include "vectors.h"

#include "blend.h"

#include "coding.h"

#include "leaves.h"

/* Add the forest to sums, double[outputs][BLOCK], for rows values of each column from start.
 *
 * The `ahead` values after them are fetched meanwhile: a processor that prefetches by itself stops
 * at the end of each column's few kilobytes. */
static void NAME(run_block)(const Forest *forest, const double *const *columns, int64_t start,
                            int rows, int ahead, uint8_t *codes, uint8_t *slots, double *sums) {
    for (int i = 0; i < forest->features; i++) {
        const double *x = columns[forest->input[i]] + start;
        NAME(code_feature)(forest, forest->feature + i, x, rows, codes);
        for (int k = 0; k < ahead; k += 8) PREFETCH(x + rows + k);
    }
    for (int batch = 0; batch < forest->batches; batch++) {
        NAME(evaluate)(forest, batch, codes, slots);
        NAME(add_batch)(forest, batch, slots, sums);
    }
}

#undef LOAD
#undef STORE
#undef SPLAT

/* All that runs on a block of rows, for one instruction set: LEVEL, whose functions are NAMEd. */

#include "vectors.h"

#include "blend.h"

#include "coding.h"

#include "leaves.h"

#include "single.h"

/* Add the forest to sums, double[outputs][BLOCK], for rows values of each column from start.
 * `singles`, float[outputs][BLOCK], is for forests with sums in float32.
 *
 * The `ahead` values after them are fetched meanwhile: a processor that prefetches by itself stops
 * at the end of each column's few kilobytes. */
static void NAME(run_block)(const Forest *forest, const double *const *columns, int64_t start,
                            int rows, int ahead, uint8_t *codes, uint8_t *slots, double *sums,
                            float *singles) {
    for (int i = 0; i < forest->features; i++) {
        const double *x = columns[forest->input[i]] + start;
        NAME(code_feature)(forest, forest->feature + i, x, rows, codes);
        for (int k = 0; k < ahead; k += 8) PREFETCH(x + rows + k);
    }
    if (forest->single) NAME(to_singles)(sums, forest->outputs, singles);
    for (int batch = 0; batch < forest->batches; batch++) {
        NAME(evaluate)(forest, batch, codes, slots);
        if (forest->single) NAME(add_batch_single)(forest, batch, slots, singles);
        else NAME(add_batch)(forest, batch, slots, sums);
    }
    if (forest->single) NAME(from_singles)(singles, forest->outputs, sums);
}

#undef LOAD
#undef STORE
#undef SPLAT

/* Whether a forest's tables are safe to run, wherever they came from.
 *
 * Scores of damaged tables may be wrong, but a run that passes neither reads nor writes outside
 * of the arrays. All that a run takes for an index is checked here once: offsets, columns, slots,
 * sets, and by following the splits, the leaf numbers that can reach each root.
 */

#include "forest.h"

#include <limits.h>
#include <math.h>

enum { SLOTS = 256, KEYS_READ = 16, TABLE_PADDING = 5 };

/* What is wrong; 0 where nothing is. */
enum {
    SAFE, BAD_COUNTS, BAD_LENGTHS, BAD_FEATURE, BAD_GRID, BAD_THRESHOLDS, BAD_KEYS,
    BAD_CATEGORIES, BAD_BATCHES, BAD_RUN, BAD_SPLIT, BAD_SLOT, BAD_LEAVES, BAD_OUTPUT
};

/* Whether `count` entries from `start` lie in an array. */
static int fits(int64_t start, int64_t count, int64_t length) {
    return start >= 0 && count >= 0 && start <= length && count <= length - start;
}

static int check_counts(const Forest *f, const Lengths *n) {
    if (f->features < 1 || f->columns < 1 || f->columns > USHRT_MAX || f->trees < 1 ||
        f->outputs < 1 || f->batches < 1 || f->slots < 1 || f->slots > SLOTS)
        return BAD_COUNTS;
    if (n->feature != f->features || n->input != f->features || n->root != f->trees ||
        n->output != f->trees || n->first_leaf != (int64_t)f->trees + 1 ||
        n->first_tree != (int64_t)f->batches + 1 || n->first_run != n->first_tree ||
        n->first_split != n->first_tree)
        return BAD_LENGTHS;
    return SAFE;
}

static int check_grid(const Forest *f, const Lengths *n, const Feature *feature) {
    /* A cell is at most `last`; a scale that is no number would let the arithmetic give any. */
    if (!(feature->last >= 0.0 && feature->last < INT_MAX) || !isfinite(feature->low) ||
        !isfinite(feature->scale) || feature->compares < 1 || feature->compares > 3 ||
        !fits(feature->bytes, (int64_t)feature->last + 1, n->bytes))
        return BAD_GRID;
    for (int64_t cell = 0; cell <= (int64_t)feature->last; cell++)
        if (f->bytes[feature->bytes + cell] > feature->count) return BAD_GRID;
    return fits(feature->thresholds, (int64_t)feature->count + feature->compares, n->thresholds)
               ? SAFE : BAD_GRID;
}

/* The loops for 2, 4, 5, 6, 7 or 8 levels; a search ends at the +inf behind the thresholds. */
static int check_search(const Forest *f, const Lengths *n, const Feature *feature) {
    const int levels = feature->levels;
    if (levels != 2 && (levels < 4 || levels > 8)) return BAD_FEATURE;
    const int64_t nodes = (int64_t)1 << levels;
    if (feature->count < 0 || feature->count >= nodes) return BAD_FEATURE;
    if (!fits(feature->keys, nodes < KEYS_READ ? KEYS_READ : nodes, n->keys)) return BAD_KEYS;
    if (!fits(feature->thresholds, nodes + 1, n->thresholds)) return BAD_THRESHOLDS;
    const double *thresholds = f->thresholds + feature->thresholds;
    for (int64_t i = feature->count; i <= nodes; i++)
        if (thresholds[i] != (double)INFINITY) return BAD_THRESHOLDS;
    return SAFE;
}

static int check_feature(const Forest *f, const Lengths *n, const Feature *feature) {
    const int columns = feature->kind == BY_CATEGORY ? 2 : 1;
    if (feature->column < 0 || feature->column > f->columns - columns) return BAD_FEATURE;
    if (feature->kind == BY_CATEGORY)
        return feature->count >= 0 && feature->count < INT_MAX / 2 &&
                       fits(feature->bytes, (int64_t)feature->count + TABLE_PADDING, n->bytes)
                   ? SAFE : BAD_CATEGORIES;
    if (feature->kind != BY_GRID && feature->kind != BY_SEARCH) return BAD_FEATURE;
    int wrong = check_search(f, n, feature);
    return wrong || feature->kind != BY_GRID ? wrong : check_grid(f, n, feature);
}

/* Sums in float32 round a leaf before it is added, so only leaves that stay what they are fit. */
static int is_float32(double leaf) { return (double)(float)leaf == leaf || isnan(leaf); }

static int check_leaves(const Forest *f, const Lengths *n) {
    if (f->first_leaf[0] != 0 || f->first_leaf[f->trees] > n->leaves) return BAD_LEAVES;
    for (int64_t i = 0; f->single && i < n->leaves; i++)
        if (!is_float32(f->leaves[i])) return BAD_LEAVES;
    for (int tree = 0; tree < f->trees; tree++) {
        if (f->first_leaf[tree + 1] <= f->first_leaf[tree]) return BAD_LEAVES;
        if (f->output[tree] < 0 || f->output[tree] >= f->outputs) return BAD_OUTPUT;
        if (f->root[tree] >= f->slots) return BAD_SLOT;
    }
    return SAFE;
}

static int check_batches(const Forest *f, const Lengths *n) {
    if (f->first_tree[0] != 0 || f->first_run[0] != 0 || f->first_split[0] != 0 ||
        f->first_tree[f->batches] != f->trees || f->first_run[f->batches] != n->runs ||
        f->first_split[f->batches] != n->splits)
        return BAD_BATCHES;
    for (int batch = 0; batch < f->batches; batch++)
        if (f->first_tree[batch + 1] < f->first_tree[batch] ||
            f->first_run[batch + 1] < f->first_run[batch] ||
            f->first_split[batch + 1] < f->first_split[batch])
            return BAD_BATCHES;
    return SAFE;
}

static int check_split(const Forest *f, const Lengths *n, const Split *split, int has_sets) {
    const int is_set = has_sets && split->set >= 0;
    if (split->column + is_set >= f->columns) return BAD_SPLIT; /* a set reads two columns */
    if (!is_set) return SAFE;
    return fits((int64_t)split->set * SET_BYTES, SET_BYTES, n->sets) ? SAFE : BAD_SPLIT;
}

static int larger(int a, int b) { return a > b ? a : b; }

/* Follow one chain; `highest` is the highest leaf number in each slot, or -1 before it is used. */
static int check_chain(const Forest *f, const Lengths *n, const Run *run, const Split *split,
                       int *highest) {
    const int sets_bits = run->joins == SETS_BITS, joins = run->joins && !sets_bits;
    int most = sets_bits ? split->leaf : larger(split->base, split->leaf);
    if (joins) most = larger(highest[split->base], highest[split->other]);
    if (joins && (highest[split->base] < 0 || highest[split->other] < 0)) return BAD_SLOT;
    if (split->slot >= f->slots) return BAD_SLOT;
    for (int i = 0; i <= run->length; i++) {
        int wrong = check_split(f, n, split + i, run->sets);
        if (wrong) return wrong;
        if (i > 0) most = sets_bits ? most | split[i].leaf : larger(most, split[i].leaf);
    }
    highest[split->slot] = most;
    return SAFE;
}

static int check_batch(const Forest *f, const Lengths *n, int batch) {
    int highest[SLOTS];
    for (int i = 0; i < SLOTS; i++) highest[i] = -1;
    int64_t at = f->first_split[batch];
    for (int64_t i = f->first_run[batch]; i < f->first_run[batch + 1]; i++) {
        const Run *run = f->runs + i;
        const int64_t chain = (int64_t)run->length + 1;
        if (run->length < 0 || run->count < 0 ||
            run->count * chain > f->first_split[batch + 1] - at)
            return BAD_RUN;
        for (int64_t k = 0; k < run->count; k++, at += chain) {
            int wrong = check_chain(f, n, run, f->splits + at, highest);
            if (wrong) return wrong;
        }
    }
    for (int64_t tree = f->first_tree[batch]; tree < f->first_tree[batch + 1]; tree++) {
        const int most = highest[f->root[tree]];
        if (most < 0 || most >= f->first_leaf[tree + 1] - f->first_leaf[tree]) return BAD_LEAVES;
    }
    return SAFE;
}

EXPORT int foresql_check(const Forest *forest, const Lengths *lengths, int64_t inputs) {
    int64_t cells = 0;
    int wrong = check_counts(forest, lengths), columns = 0;
    if (wrong) return wrong;
    for (int i = 0; i < forest->features; i++) {
        const Feature *feature = forest->feature + i;
        if (forest->input[i] < 0 || forest->input[i] >= inputs) return BAD_FEATURE;
        if ((wrong = check_feature(forest, lengths, feature))) return wrong;
        /* One feature's columns follow the other's, so no split reads codes that nobody wrote. */
        if (feature->column != columns) return BAD_FEATURE;
        columns += feature->kind == BY_CATEGORY ? 2 : 1;
        /* Two features share a grid where they code NaN apart: each cell is checked twice at most. */
        if (feature->kind == BY_GRID) cells += (int64_t)feature->last + 1;
        if (cells > 2 * lengths->bytes) return BAD_GRID;
    }
    if (columns != forest->columns) return BAD_COUNTS;
    if ((wrong = check_leaves(forest, lengths))) return wrong;
    if ((wrong = check_batches(forest, lengths))) return wrong;
    for (int batch = 0; batch < forest->batches; batch++)
        if ((wrong = check_batch(forest, lengths, batch))) return wrong;
    return SAFE;
}

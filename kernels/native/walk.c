/* Walk: trees of any size, node by node, eight rows or eight trees at once.
 *
 * Every value first becomes a key, an unsigned integer of 32 bits that keeps the order which the
 * splits on it see: a float where all thresholds of its feature are limits of a rounding to float,
 * else the number of thresholds below it, or the index of its category. A split then compares two
 * integers. A node is eight bytes: the split, and a link that holds the column of keys and the left
 * child; the right child is behind the left one. A leaf is its own child and splits on column 0,
 * whose keys are all 0, so a row that has arrived stays there: a step has no branches.
 *
 * A step waits for two loads in a row, so eight independent walks run side by side: those of eight
 * rows through one tree, or, for the rows that do not fill a group of eight, those of one row
 * through eight trees. Blocks of rows are small enough for their keys to stay in the cache.
 *
 * Trees that differ in their leaf values only (those of a classifier's classes) are walked once.
 *
 * Plain C: no state, no allocation, no library call. walk_tables.py makes the tables, and
 * foresql_check_walk says whether every index in them is in bounds. Sums are in the order of the
 * trees, each rounded once, so the scores have the bits of the numpy kernel.
 */

#include "walk.h"

#include <string.h>

#if defined(__GNUC__)
#define PREFETCH(address) __builtin_prefetch(address, 0, 2)
#define INLINE inline __attribute__((always_inline))
#else
#define PREFETCH(address) ((void)(address))
#define INLINE __forceinline
#endif
#if defined(__GNUC__) && !defined(__clang__)
#define EACH_LANE _Pragma("GCC unroll 8") for (int i = 0; i < LANES; i++)
#else
#define EACH_LANE for (int i = 0; i < LANES; i++)
#endif

enum { LANES = WALK_LANES, CACHE_LINE = 64 };

/* --------------------------------------------------------------------------- values become keys */

/* The order of floats as the order of unsigned integers; both zeros are one. */
static uint32_t key_of_float(double x) {
    float rounded = (float)x + 0.0f;
    uint32_t bits;
    memcpy(&bits, &rounded, sizeof bits);
    return bits ^ ((uint32_t)-(int32_t)(bits >> 31) | 0x80000000u);
}

/* Count the thresholds below each value: they are padded with +inf to 2 * first_step - 1. */
static INLINE void search(const double *thresholds, uint32_t first_step, const double *x,
                          const int count, uint32_t *found) {
    for (int i = 0; i < count; i++) found[i] = 0;
    for (uint32_t step = first_step; step > 0; step /= 2)
        for (int i = 0; i < count; i++)
            found[i] += thresholds[found[i] + step - 1] < x[i] ? step : 0;
}

static INLINE void search_categories(const WalkFeature *f, const double *categories,
                                     const double *x, const int count, uint32_t *found) {
    double whole[LANES];
    for (int i = 0; i < count; i++) {
        int inside = x[i] > -1.0 && x[i] < 2147483648.0;
        whole[i] = inside ? (double)(int64_t)x[i] : -1.0;
    }
    search(categories, f->first_step, whole, count, found);
    for (int i = 0; i < count; i++) {
        /* Where every category is below, the search ends behind the last of the padded table. */
        uint32_t place = found[i] < f->count ? found[i] : f->count - 1;
        found[i] = f->count > 0 && categories[place] == whole[i] ? place : f->count;
        if (x[i] != x[i]) found[i] = f->count + 1;
    }
}

/* Write the keys of one feature for at most eight rows, which a constant count unrolls. */
static INLINE void key_lanes(const Walk *walk, const WalkFeature *f, const double *x,
                             const int count, uint32_t *keys) {
    uint32_t found[LANES];
    const double *thresholds = walk->thresholds + f->thresholds;
    if (f->kind == WALK_FLOAT)
        for (int i = 0; i < count; i++) found[i] = key_of_float(x[i]);
    else if (f->kind == WALK_RANK)
        search(thresholds, f->first_step, x, count, found);
    else
        search_categories(f, thresholds, x, count, found);
    uint32_t *left = keys + (int64_t)f->missing_left * LANES;
    uint32_t *right = keys + (int64_t)f->missing_right * LANES;
    if (f->kind == WALK_CATEGORY)
        for (int i = 0; i < count; i++) left[i] = found[i];
    else {
        if (f->missing_left > 0)
            for (int i = 0; i < count; i++) left[i] = x[i] == x[i] ? found[i] : 0;
        if (f->missing_right > 0)
            for (int i = 0; i < count; i++) right[i] = x[i] == x[i] ? found[i] : UINT32_MAX;
    }
}

/* Fill a block's keys: [groups of eight rows][columns][eight rows]. */
static void key_block(const Walk *walk, const double *const *columns, int64_t start, int rows,
                      uint32_t *keys) {
    const int64_t stride = (int64_t)walk->columns * LANES;
    for (int i = 0; i < rows; i += LANES) memset(keys + i / LANES * stride, 0, 4 * LANES);
    for (int j = 0; j < walk->features; j++) {
        const WalkFeature *f = walk->feature + j;
        const double *x = columns[f->input] + start;
        int i = 0;
        for (; i + LANES <= rows; i += LANES)
            key_lanes(walk, f, x + i, LANES, keys + i / LANES * stride);
        if (rows == 1) key_lanes(walk, f, x, 1, keys);
        else if (i < rows) key_lanes(walk, f, x + i, rows - i, keys + i / LANES * stride);
    }
}

/* --------------------------------------------------------------------------------- taking steps */

/* The column, times eight, is link & mask; the left child is link >> shift. */
static INLINE uint32_t step_number(const Walk *walk, WalkNode node, const uint32_t *keys) {
    uint32_t child = node.link >> walk->shift;
    child += node.split < keys[node.link & walk->mask];
    return child;
}

/* The same where some splits are sets: their split is where the bits of their members begin. */
static INLINE uint32_t step_any(const Walk *walk, WalkNode node, const uint32_t *keys) {
    uint32_t key = keys[node.link & walk->mask];
    uint32_t is_set = (uint32_t)-(int32_t)(node.link & WALK_IS_SET);
    uint32_t word = walk->sets[(node.split + key / 32) & is_set];
    uint32_t outside = ~(word >> (key & 31)) & 1;
    uint32_t right = (is_set & outside) | (~is_set & (uint32_t)(node.split < key));
    return (node.link >> walk->shift) + right;
}

/* Move eight walks down by up to four steps at a time, until all have arrived. Walk i goes through
 * nodes[i] and reads keys + i * apart. What does not change here becomes constant: has_sets, apart.
 * Writes the leaves' numbers. */
static INLINE void descend(const Walk *from, const WalkNode *const *nodes, int depth,
                           const uint32_t *keys, int apart, int has_sets, uint32_t *found) {
    const Walk walk = *from;
    uint32_t at[LANES];
    EACH_LANE at[i] = 1;
    for (int left = depth; left > 0; left -= 4) {
        uint32_t arrived = WALK_IS_LEAF;
        for (int step = left < 4 ? left : 4; step > 0; step--) {
            arrived = WALK_IS_LEAF;
            EACH_LANE {
                const WalkNode node = nodes[i][at[i]];
                arrived &= node.link;
                at[i] = has_sets ? step_any(&walk, node, keys + i * apart)
                                 : step_number(&walk, node, keys + i * apart);
            }
        }
        if (arrived) break;
    }
    EACH_LANE found[i] = nodes[i][at[i]].split;
}

/* Eight rows at a time through one tree. Meanwhile the next tree comes into the cache. */
static INLINE void find_rows(const Walk *walk, const WalkTree *tree, const WalkTree *next,
                             const uint32_t *keys, int groups, int has_sets, uint32_t *found) {
    const WalkNode *root = walk->nodes + tree->first_node;
    const WalkNode *const nodes[LANES] = {root, root, root, root, root, root, root, root};
    const char *ahead = (const char *)(walk->nodes + next->first_node);
    const char *end = (const char *)(walk->nodes + next->first_node + next->nodes);
    const int64_t part = ((end - ahead) / groups / CACHE_LINE + 1) * CACHE_LINE;
    for (int group = 0; group < groups; group++) {
        for (const char *stop = ahead + part; ahead < end && ahead < stop; ahead += CACHE_LINE)
            PREFETCH(ahead);
        descend(walk, nodes, tree->depth, keys, 1, has_sets, found);
        keys += (int64_t)walk->columns * LANES;
        found += LANES;
    }
}

/* One row through eight trees. */
static INLINE void find_trees(const Walk *walk, const WalkTree *const *tree, const uint32_t *keys,
                              int has_sets, uint32_t *found) {
    const WalkNode *nodes[LANES];
    int deepest = 0;
    for (int i = 0; i < LANES; i++) {
        nodes[i] = walk->nodes + tree[i]->first_node;
        if (tree[i]->depth > deepest) deepest = tree[i]->depth;
    }
    descend(walk, nodes, deepest, keys, 0, has_sets, found);
}

/* ------------------------------------------------------------------------------- adding leaves */

static double sum_of(const Walk *walk, double score, double value) {
    double sum = score + value;
    return walk->single ? (double)(float)sum : sum;
}

/* What a linear leaf gives to a row; `x` holds the row's values of the inputs that terms read. */
static double linear_value(const WalkLinear *linear, int64_t leaf, const double *x) {
    double sum = linear->constants[leaf];
    for (int64_t t = linear->term_start[leaf]; t < linear->term_start[leaf + 1]; t++) {
        double value = x[linear->term_place[t]];
        if (value != value) return linear->plain[leaf];
        sum += linear->coefficients[t] * value;
    }
    return sum;
}

static void add_rows(const Walk *walk, const WalkTree *tree, const uint32_t *found, int rows,
                     const double *x, double *scores, int64_t stride) {
    const double *leaves = walk->leaves + tree->first_leaf;
    const int64_t classes = tree->classes;
    for (int64_t j = 0; j < classes; j++) {
        double *sums = scores + walk->output[tree->first_output + j] * stride;
        if (walk->linear)
            for (int i = 0; i < rows; i++)
                sums[i] += linear_value(walk->linear, tree->first_leaf + found[i],
                                        x + (int64_t)i * walk->linear->reads);
        else if (walk->single)
            for (int i = 0; i < rows; i++)
                sums[i] = sum_of(walk, sums[i], leaves[found[i] * classes + j]);
        else
            for (int i = 0; i < rows; i++) sums[i] += leaves[found[i] * classes + j];
    }
}

/* A row that is alone goes through several trees at once; where too few are left, the first of
 * them fills the lanes. */
static void add_row(const Walk *walk, const uint32_t *keys, const double *x, double *scores,
                    int64_t stride) {
    for (int first = 0; first < walk->trees; first += LANES) {
        uint32_t found[LANES];
        const WalkTree *tree[LANES];
        const int count = walk->trees - first < LANES ? walk->trees - first : LANES;
        for (int i = 0; i < LANES; i++) tree[i] = walk->tree + first + (i < count ? i : 0);
        if (walk->has_sets) find_trees(walk, tree, keys, 1, found);
        else find_trees(walk, tree, keys, 0, found);
        for (int i = 0; i < count; i++) {
            if (walk->linear || tree[i]->classes > 1) {
                add_rows(walk, tree[i], found + i, 1, x, scores, stride);
                continue;
            }
            double *sum = scores + walk->output[tree[i]->first_output] * stride;
            *sum = sum_of(walk, *sum, walk->leaves[tree[i]->first_leaf + found[i]]);
        }
    }
}

/* The values that linear terms read, row by row. */
static void read_terms(const WalkLinear *linear, const double *const *columns, int64_t start,
                       int rows, double *x) {
    for (int j = 0; j < linear->reads; j++) {
        const double *column = columns[linear->read[j]] + start;
        for (int i = 0; i < rows; i++) {
            double value = column[i];
            int is_zero = value <= linear->zero && value >= -linear->zero;
            x[(int64_t)i * linear->reads + j] = is_zero ? 0.0 : value;
        }
    }
}

EXPORT int64_t foresql_walk_scratch(const Walk *walk, int64_t rows) {
    int64_t most = rows < walk->block ? (rows + LANES - 1) / LANES * LANES : walk->block;
    int64_t terms = walk->linear ? walk->linear->reads : 0;
    return most * (4 * (int64_t)walk->columns + 4 + 8 * terms) + 8;
}

EXPORT void foresql_walk_run(const Walk *walk, const double *const *columns, int64_t rows,
                             double *scores, int64_t stride, uint8_t *scratch) {
    const int64_t most = rows < walk->block ? (rows + LANES - 1) / LANES * LANES : walk->block;
    double *x = (double *)(scratch + (8 - (uintptr_t)scratch % 8) % 8);
    uint32_t *keys = (uint32_t *)(x + (walk->linear ? most * walk->linear->reads : 0));
    uint32_t *found = keys + most * walk->columns;
    if (walk->single)
        for (int64_t j = 0; j < walk->outputs; j++)
            for (int64_t i = 0; i < rows; i++)
                scores[j * stride + i] = (double)(float)scores[j * stride + i];
    for (int64_t start = 0; start < rows; start += most) {
        const int count = rows - start < most ? (int)(rows - start) : (int)most;
        const int groups = count / LANES, full = groups * LANES;
        key_block(walk, columns, start, count, keys);
        if (walk->linear) read_terms(walk->linear, columns, start, count, x);
        for (int i = 0; groups > 0 && i < walk->trees; i++) {
            const WalkTree *tree = walk->tree + i;
            const WalkTree *next = i + 1 < walk->trees ? tree + 1 : walk->tree;
            if (walk->has_sets) find_rows(walk, tree, next, keys, groups, 1, found);
            else find_rows(walk, tree, next, keys, groups, 0, found);
            add_rows(walk, tree, found, full, x, scores + start, stride);
        }
        const uint32_t *rest = keys + (int64_t)groups * walk->columns * LANES;
        for (int i = full; i < count; i++)
            add_row(walk, rest + (i - full),
                    x + (walk->linear ? (int64_t)i * walk->linear->reads : 0), scores + start + i,
                    stride);
    }
}

/* ------------------------------------------------------------------------------ checking tables */

static int check_feature(const Walk *walk, const WalkFeature *f, const WalkLengths *lengths) {
    if (f->input < 0 || f->input >= lengths->inputs || f->thresholds < 0) return 0;
    if (f->missing_left >= walk->columns || f->missing_right >= walk->columns) return 0;
    if (f->thresholds > lengths->thresholds) return 0;
    if (f->kind == WALK_FLOAT) return 1;
    if (f->kind != WALK_RANK && f->kind != WALK_CATEGORY) return 0;
    /* A search with this first step reads 2 * first_step - 1 thresholds, and no more. */
    if (f->first_step == 0 || f->first_step > 1u << 30) return 0;
    if ((f->first_step & (f->first_step - 1)) != 0) return 0;
    if (f->count > 2 * f->first_step - 1) return 0;
    if (f->thresholds > lengths->thresholds - (2 * (int64_t)f->first_step - 1)) return 0;
    if (f->kind == WALK_RANK) return 1;
    return f->missing_left > 0 && f->missing_right < 0 &&
           walk->words[f->missing_left] > ((int64_t)f->count + 1) / 32;
}

/* The columns of keys follow each other as the features do, behind column 0, so one feature writes
 * each. Only a column of categories has words: then its keys are at most f->count + 1. */
static int check_columns(const Walk *walk) {
    int32_t next = 1;
    if (walk->words[0] != 0) return 0;
    for (int32_t j = 0; j < walk->features; j++) {
        const WalkFeature *f = walk->feature + j;
        const int32_t first = next;
        if (f->missing_left >= 0 && f->missing_left != next++) return 0;
        if (f->missing_right >= 0 && f->missing_right != next++) return 0;
        if (f->kind == WALK_CATEGORY) continue;
        for (int32_t column = first; column < next; column++)
            if (walk->words[column] != 0) return 0;
    }
    return next == walk->columns;
}

/* A tree's nodes begin where those of the one before end, so each node is checked once. They are in
 * breadth-first order, so the children that come next are known. */
static int check_tree(const Walk *walk, const WalkTree *tree, int64_t first_node,
                      const WalkLengths *lengths) {
    if (tree->nodes < 2 || tree->first_node != first_node) return 0;
    if (tree->first_node > lengths->nodes - tree->nodes) return 0;
    if (tree->classes < 1 || tree->first_output < 0) return 0;
    if (tree->first_output > lengths->output - tree->classes) return 0;
    if (tree->leaves < 1 || tree->first_leaf < 0) return 0;
    if (tree->first_leaf > lengths->leaves - (int64_t)tree->leaves * tree->classes) return 0;
    const WalkNode *nodes = walk->nodes + tree->first_node;
    int64_t next = 2, end_of_level = 2, depth = 0;
    for (int64_t i = 1; i < tree->nodes; i++) {
        if (i >= next) return 0;
        if (i == end_of_level) { end_of_level = next; depth++; }
        const WalkNode node = nodes[i];
        const int32_t column = (int32_t)((node.link & walk->mask) / LANES);
        const int64_t child = node.link >> walk->shift;
        if (column >= walk->columns) return 0;
        if (node.link & WALK_IS_LEAF) {
            if (child != i || column != 0 || (node.link & WALK_IS_SET)) return 0;
            if (node.split >= (uint32_t)tree->leaves) return 0;
            continue;
        }
        if (child != next || next + 2 > tree->nodes) return 0;
        next += 2;
        if (!(node.link & WALK_IS_SET)) continue;
        if (!walk->has_sets || walk->words[column] == 0) return 0;
        if ((int64_t)node.split + walk->words[column] > lengths->sets) return 0;
    }
    return next == tree->nodes && depth == tree->depth;
}

static int check_linear(const WalkLinear *linear, const WalkLengths *lengths) {
    if (linear->reads < 0 || linear->reads > lengths->reads) return 0;
    for (int32_t j = 0; j < linear->reads; j++)
        if (linear->read[j] < 0 || linear->read[j] >= lengths->inputs) return 0;
    if (linear->term_start[0] < 0) return 0;
    for (int64_t i = 0; i < lengths->leaves; i++)
        if (linear->term_start[i] > linear->term_start[i + 1]) return 0;
    if (linear->term_start[lengths->leaves] > lengths->terms) return 0;
    for (int64_t t = 0; t < lengths->terms; t++)
        if (linear->term_place[t] < 0 || linear->term_place[t] >= linear->reads) return 0;
    return 1;
}

EXPORT int foresql_check_walk(const Walk *walk, const WalkLengths *lengths) {
    if (walk->features < 0 || walk->features > lengths->feature) return 0;
    if (walk->columns < 1 || walk->columns > lengths->words) return 0;
    if (walk->trees < 0 || walk->trees > lengths->tree) return 0;
    if (walk->outputs < 1 || walk->block < LANES || walk->block % LANES != 0) return 0;
    if (walk->block > 1 << 20 || walk->shift < 3 || walk->shift > 31) return 0;
    if (walk->mask != ((1u << walk->shift) - LANES)) return 0;
    if (walk->has_sets && lengths->sets < 1) return 0;
    for (int32_t column = 0; column < walk->columns; column++)
        if (walk->words[column] < 0) return 0;
    for (int32_t j = 0; j < walk->features; j++)
        if (!check_feature(walk, walk->feature + j, lengths)) return 0;
    if (!check_columns(walk)) return 0;
    for (int64_t j = 0; j < lengths->output; j++)
        if (walk->output[j] < 0 || walk->output[j] >= walk->outputs) return 0;
    int64_t first_node = 0;
    for (int32_t i = 0; i < walk->trees; i++) {
        if (!check_tree(walk, walk->tree + i, first_node, lengths)) return 0;
        first_node += walk->tree[i].nodes;
        if (walk->linear && walk->tree[i].classes != 1) return 0;
    }
    return !walk->linear || check_linear(walk->linear, lengths);
}

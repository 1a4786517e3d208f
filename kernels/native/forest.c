/* Byte-blend: a forest without branches, 64 rows an instruction.
 *
 * Every value is first coded as one byte: the number of the forest's thresholds below it, or the
 * index of its category. A split is then a comparison of bytes, and its result a choice between
 * two leaf numbers. A tree is evaluated bottom up: each split takes what its two children gave, a
 * leaf number for each row, and keeps one of them. So all splits of a tree are evaluated on all
 * rows, in vectors, and what the root keeps is the row's leaf.
 *
 * Plain C: no state, no allocation, no library call. The tables are made and checked in Python
 * (tables.py), which says what each of them holds. Sums are in the order of the trees, each
 * rounded once, so the scores have the bits of the numpy kernel.
 *
 * The part that depends on the instruction set is in blend.h, which is included once for each.
 */

#include <stdint.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#if defined(_MSC_VER)
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif

enum { BLOCK = 512, ALIGNMENT = 64 };

/* How a feature is coded; tables.py writes these structs with numpy. */
enum { BY_GRID = 0, BY_SEARCH = 1, BY_CATEGORY = 2 };

typedef struct {
    double low, scale, last;   /* the grid: cell = clip((x - low) * scale, 0, last) */
    int64_t thresholds;        /* where the feature's thresholds begin, ascending, then +inf */
    int64_t bytes;             /* where its cells, or the codes of its categories, begin */
    int32_t count;             /* how many thresholds, or how many entries of the category table */
    int32_t kind;
    int32_t compares;          /* thresholds in the fullest cell */
    int32_t missing_left;      /* the code column in which NaN is below everything, or -1 */
    int32_t missing_right;     /* the code column in which NaN is above everything, or -1 */
    int32_t other;             /* a category's code if it is in no set; NaN has the one after */
} Feature;

/* One split. A child is a leaf number, or what a split before left on the stack. */
enum { LEFT_ON_STACK = 1, RIGHT_ON_STACK = 2, RIGHT_FIRST = 4, IS_SET = 8 };

typedef struct {
    uint16_t column;  /* of codes */
    uint8_t split;    /* goes left if code <= split */
    uint8_t flags;
    uint8_t left, right;  /* leaf numbers */
    uint16_t set;     /* which 32-byte set of codes goes left */
} Split;

typedef struct {
    int32_t features, columns, trees, outputs, depth, single;
    const Feature *feature;
    const int32_t *input;        /* [features] which of the columns given to run */
    const double *thresholds;
    const uint8_t *bytes;
    const Split *splits;
    const int64_t *first_split;  /* [trees + 1] */
    const uint8_t *sets;
    const double *leaves;
    const int64_t *first_leaf;   /* [trees + 1] */
    const int32_t *output;       /* [trees] */
} Forest;

/* ------------------------------------------------------------------------------- coding a block */

static int code_by_grid(const Feature *f, const Forest *forest, double x) {
    const double *thresholds = forest->thresholds + f->thresholds;
    double cell = (x - f->low) * f->scale;
    cell = cell > 0.0 ? cell : 0.0; /* also NaN */
    cell = cell < f->last ? cell : f->last;
    int first = forest->bytes[f->bytes + (int64_t)cell], code = first;
    for (int i = 0; i < f->compares; i++) code += thresholds[first + i] < x;
    return code;
}

static int code_by_search(const Feature *f, const Forest *forest, double x) {
    const double *thresholds = forest->thresholds + f->thresholds;
    int low = 0, count = f->count;
    while (count > 0) {
        int half = count / 2;
        if (thresholds[low + half] < x) { low += half + 1; count -= half + 1; }
        else count = half;
    }
    return low;
}

static int code_by_category(const Feature *f, const Forest *forest, double x) {
    /* Cut towards zero; what is outside the table, or negative, is in no set. */
    if (!(x > -1.0) || !(x < (double)f->count)) return f->other;
    return forest->bytes[f->bytes + (int64_t)x];
}

static void code_feature(const Forest *forest, const Feature *f, const double *x, int rows,
                         uint8_t *codes) {
    uint8_t *left = f->missing_left < 0 ? 0 : codes + (int64_t)f->missing_left * BLOCK;
    uint8_t *right = f->missing_right < 0 ? 0 : codes + (int64_t)f->missing_right * BLOCK;
    uint8_t *first = left ? left : right;
    int missing = 0;
    if (f->kind == BY_GRID && f->compares == 1) {
        const double *thresholds = forest->thresholds + f->thresholds;
        const uint8_t *below = forest->bytes + f->bytes;
        double low = f->low, scale = f->scale, last = f->last;
        for (int i = 0; i < rows; i++) {
            double cell = (x[i] - low) * scale;
            cell = cell > 0.0 ? cell : 0.0;
            cell = cell < last ? cell : last;
            int code = below[(int32_t)cell];
            first[i] = (uint8_t)(code + (thresholds[code] < x[i]));
            missing |= x[i] != x[i];
        }
    } else {
        int (*code)(const Feature *, const Forest *, double) =
            f->kind == BY_GRID ? code_by_grid
                               : f->kind == BY_SEARCH ? code_by_search : code_by_category;
        for (int i = 0; i < rows; i++) {
            first[i] = (uint8_t)code(f, forest, x[i]);
            missing |= x[i] != x[i];
        }
    }
    if (left && right) memcpy(right, left, (size_t)rows);
    if (!missing) return;
    for (int i = 0; i < rows; i++) {
        if (x[i] == x[i]) continue;
        if (f->kind == BY_CATEGORY) first[i] = (uint8_t)(f->other + 1);
        else {
            if (left) left[i] = 0;
            if (right) right[i] = 255;
        }
    }
}

/* ------------------------------------------------------------- trees, for each instruction set */

typedef void (*Evaluate)(const Forest *, const uint8_t *codes, uint8_t *stack, uint8_t *found,
                         int tree);

#define NAME(name) name##_baseline
#include "blend.h"
#undef NAME

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define HAS_VARIANTS 1
#pragma GCC push_options
#pragma GCC target("avx2")
#define NAME(name) name##_avx2
#include "blend.h"
#undef NAME
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq,prefer-vector-width=512")
#define NAME(name) name##_avx512
#include "blend.h"
#undef NAME
#pragma GCC pop_options
#endif

enum { BASELINE = 0, AVX2 = 1, AVX512 = 2 };

/* The best instruction set that this machine has and that was compiled. */
EXPORT int foresql_best(void) {
#if defined(HAS_VARIANTS)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512dq"))
        return AVX512;
    if (__builtin_cpu_supports("avx2")) return AVX2;
#endif
    return BASELINE;
}

static Evaluate evaluate_of(int variant) {
#if defined(HAS_VARIANTS)
    if (variant == AVX512) return evaluate_avx512;
    if (variant == AVX2) return evaluate_avx2;
#endif
    (void)variant;
    return evaluate_baseline;
}

/* ------------------------------------------------------------------------------- adding leaves */

static void add_leaves(const Forest *forest, int tree, const uint8_t *found, int rows,
                       double *scores, int64_t stride) {
    const double *leaves = forest->leaves + forest->first_leaf[tree];
    double *sums = scores + forest->output[tree] * stride;
    if (forest->single)
        for (int i = 0; i < rows; i++) sums[i] = (double)(float)(sums[i] + leaves[found[i]]);
    else
        for (int i = 0; i < rows; i++) sums[i] += leaves[found[i]];
}

/* Add four trees of one output in one pass: the order of the additions is the same. */
static void add_four(const Forest *forest, int tree, const uint8_t *found, int rows,
                     double *scores, int64_t stride) {
    const double *a = forest->leaves + forest->first_leaf[tree];
    const double *b = forest->leaves + forest->first_leaf[tree + 1];
    const double *c = forest->leaves + forest->first_leaf[tree + 2];
    const double *d = forest->leaves + forest->first_leaf[tree + 3];
    double *sums = scores + forest->output[tree] * stride;
    for (int i = 0; i < rows; i++)
        sums[i] = (((sums[i] + a[found[i]]) + b[found[BLOCK + i]]) + c[found[2 * BLOCK + i]]) +
                  d[found[3 * BLOCK + i]];
}

static int four_of_one(const Forest *forest, int tree) {
    const int32_t *output = forest->output + tree;
    return !forest->single && tree + 4 <= forest->trees && output[0] == output[1] &&
           output[0] == output[2] && output[0] == output[3];
}

/* How many bytes of scratch memory run needs. */
EXPORT int64_t foresql_scratch(const Forest *forest) {
    return (int64_t)(forest->columns + forest->depth + 4) * BLOCK + ALIGNMENT;
}

/* Add the forest to scores, double[outputs][stride], for rows values of each column.
 *
 * columns[i] points to the values of input i. scratch is foresql_scratch bytes. Threads may run
 * one forest at once, each with scratch and scores of its own. */
EXPORT void foresql_run(const Forest *forest, const double *const *columns, int64_t rows,
                        double *scores, int64_t stride, uint8_t *scratch, int variant) {
    Evaluate evaluate = evaluate_of(variant);
    uint8_t *codes = scratch + (ALIGNMENT - (uintptr_t)scratch % ALIGNMENT) % ALIGNMENT;
    uint8_t *stack = codes + (int64_t)forest->columns * BLOCK;
    uint8_t *found = stack + (int64_t)forest->depth * BLOCK;
    for (int64_t start = 0; start < rows; start += BLOCK) {
        int count = rows - start < BLOCK ? (int)(rows - start) : BLOCK;
        for (int i = 0; i < forest->features; i++)
            code_feature(forest, forest->feature + i, columns[forest->input[i]] + start, count,
                         codes);
        for (int tree = 0; tree < forest->trees;) {
            int together = four_of_one(forest, tree) ? 4 : 1;
            for (int i = 0; i < together; i++)
                evaluate(forest, codes, stack, found + i * BLOCK, tree + i);
            if (together == 4) add_four(forest, tree, found, count, scores + start, stride);
            else add_leaves(forest, tree, found, count, scores + start, stride);
            tree += together;
        }
    }
}

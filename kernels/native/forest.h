/* The tables of a forest, as tables.py makes them, and what runs on them.
 *
 * Byte-blend is a forest without branches, 64 rows an instruction. Every value is first coded as
 * one byte: the number of the forest's thresholds below it, or the number of its category
 * (coding.h). A split is then a comparison of bytes, and its result a choice between two leaf
 * numbers. All splits of a tree are evaluated on all rows, bottom up, and what the root chooses
 * is the row's leaf (blend.h). Then the leaves' values are added (leaves.h).
 *
 * Tables from a file may be damaged: foresql_check says whether it is safe to run them.
 */

#ifndef FORESQL_FOREST_H
#define FORESQL_FOREST_H

#include <stdint.h>

#if defined(_MSC_VER)
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif

/* Rows that are evaluated at once: their codes and slots stay in the first-level cache. */
enum { BLOCK = 512, ALIGNMENT = 64, SET_BYTES = 32 };

/* How a feature is coded. Numbers have the code `missing` for NaN. A category takes two columns:
 * which byte of a set holds its bit, and that bit. */
enum { BY_GRID = 0, BY_SEARCH = 1, BY_CATEGORY = 2 };

typedef struct {
    double low, scale, last;   /* the grid: cell = clip((x - low) * scale, 0, last) */
    int64_t thresholds;        /* where the feature's thresholds begin: ascending, then +inf */
    int64_t keys;              /* where the search tree over their keys begins */
    int64_t bytes;             /* where its cells, or the codes of its categories, begin */
    int32_t count;             /* how many thresholds, or how many categories are in the table */
    int32_t kind;
    int32_t compares;          /* thresholds in the fullest cell: 1 to 3 */
    int32_t levels;            /* of the search tree: 1 to 8 */
    int32_t column;            /* of codes */
    int32_t missing;           /* the code of NaN */
} Feature;

/* One split: rows whose code lies in low .. low + width, modulo 256, or is in the set, take a leaf
 * number, or another slot's; all others keep theirs. A slot holds a leaf number for each row. */
typedef struct {
    uint16_t column;
    uint8_t low, width;
    uint8_t leaf;   /* what to take */
    uint8_t base;   /* the other leaf, if both children are leaves; the first slot, if two join */
    uint8_t other;  /* the second slot, whose numbers are taken */
    uint8_t slot;   /* at the start of a chain: where its leaf numbers are left */
    int32_t set;    /* which set of 32 bytes, or -1 */
} Split;

/* Chains of one shape. A chain is a split of two leaves, or one that joins two slots, and then
 * `length` splits with one leaf each, every one the parent of the one before. Where `joins` is
 * SETS_BITS, it is a whole tree that splits alike at all nodes of a level: one split a level, and
 * `leaf` is the bit that it sets in the number of a row's leaf. */
enum { SETS_BITS = 2 };

typedef struct {
    int32_t count;
    int16_t length;
    uint8_t joins;
    uint8_t sets;         /* whether any split has a set */
} Run;

typedef struct {
    int32_t features, columns, trees, outputs, batches, slots, single;
    const Feature *feature;
    const int32_t *input;        /* [features] which of the columns given to run */
    const double *thresholds;
    const int32_t *keys;
    const uint8_t *bytes;
    const Split *splits;
    const Run *runs;
    const int64_t *first_tree;   /* [batches + 1]; a batch is some trees, evaluated together */
    const int64_t *first_run;    /* [batches + 1] */
    const int64_t *first_split;  /* [batches + 1] */
    const uint8_t *sets;
    const uint8_t *root;         /* [trees] the slot with the tree's leaf numbers */
    const double *leaves;        /* where `single`, float32 values: then the sums are in float32 */
    const int64_t *first_leaf;   /* [trees + 1] */
    const int32_t *output;       /* [trees] */
} Forest;

/* How many entries each array has. */
typedef struct {
    int64_t feature, input, thresholds, keys, bytes, splits, runs, first_tree, first_run;
    int64_t first_split, sets, root, leaves, first_leaf, output;
} Lengths;

#define BASELINE 0
#define AVX2 1
#define AVX512 2

/* The best instruction set that this machine has and that was compiled. */
EXPORT int foresql_best(void);

/* 0 if no run of these tables, on `inputs` columns, leaves its arrays; else what is wrong: one of
 * the numbers in check.c. */
EXPORT int foresql_check(const Forest *forest, const Lengths *lengths, int64_t inputs);

/* How many bytes of scratch memory a run needs. */
EXPORT int64_t foresql_scratch(const Forest *forest);

/* Add the forest to scores, double[outputs][stride], for rows values of each column.
 *
 * columns[i] points to the values of input i. scratch is foresql_scratch bytes. Threads may run
 * one forest at once, each with scratch and scores of its own. */
EXPORT void foresql_run(const Forest *forest, const double *const *columns, int64_t rows,
                        double *scores, int64_t stride, uint8_t *scratch, int variant);

#endif

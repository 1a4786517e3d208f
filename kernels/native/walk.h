/* The tables of walk.c; walk_tables.py writes these structs with numpy and ctypes. */

#ifndef FORESQL_WALK_H
#define FORESQL_WALK_H

#include <stdint.h>

#if defined(_MSC_VER)
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif

enum { WALK_LANES = 8 };

/* How the values of a feature become keys. */
enum { WALK_FLOAT = 0, WALK_RANK = 1, WALK_CATEGORY = 2 };

typedef struct {
    int64_t thresholds;     /* where the thresholds, or the categories, begin */
    uint32_t count;         /* how many there are, before they are padded with +inf */
    uint32_t first_step;    /* a power of two: they are padded to 2 * first_step - 1 */
    int32_t input;          /* which of the columns given to run */
    int32_t kind;
    int32_t missing_left;   /* the column of keys in which NaN is below everything, or -1 */
    int32_t missing_right;  /* the column of keys in which NaN is above everything, or -1 */
} WalkFeature;

/* Flags in the lowest bits of a link; the column and the left child are above them. */
enum { WALK_IS_SET = 1, WALK_IS_LEAF = 2 };

typedef struct {
    uint32_t split;  /* goes right if key > split; where a set's bits begin; or a leaf's number */
    uint32_t link;
} WalkNode;

/* Trees that differ in their leaf values only. The root is node 1, breadth first; 0 is unused. */
typedef struct {
    int64_t first_node, first_leaf;
    int32_t nodes, leaves, depth;
    int32_t classes;        /* how many trees; a leaf's values lie side by side */
    int32_t first_output;
    int32_t unused;
} WalkTree;

/* Leaves that are weighted sums of inputs; the arrays by leaf are those of all trees. */
typedef struct {
    double zero;
    const double *constants, *plain;
    const int64_t *term_start;   /* [leaves + 1] */
    const int32_t *term_place;   /* which of the inputs that are read */
    const double *coefficients;
    const int32_t *read;         /* [reads] which of the columns given to run */
    int64_t reads;
} WalkLinear;

typedef struct {
    int32_t features, columns, trees, outputs, single, has_sets;
    int32_t block;               /* rows whose keys are made at once, a multiple of eight */
    int32_t shift;               /* of a child in a link */
    uint32_t mask;               /* of eight times the column in a link */
    int32_t unused;
    const WalkFeature *feature;
    const double *thresholds;
    const int32_t *words;        /* [columns] how many words of 32 bits a set has */
    const uint32_t *sets;
    const WalkNode *nodes;
    const WalkTree *tree;
    const double *leaves;
    const int32_t *output;
    const WalkLinear *linear;    /* or null */
} Walk;

/* How many entries each array has, for foresql_check_walk. */
typedef struct {
    int64_t feature, thresholds, words, sets, nodes, tree, leaves, output, reads, terms, inputs;
} WalkLengths;

/* How many bytes of scratch memory a run of so many rows needs. */
EXPORT int64_t foresql_walk_scratch(const Walk *walk, int64_t rows);

/* Add the forest to scores, double[outputs][stride], for rows values of each column.
 *
 * columns[i] points to the values of input i. scratch is foresql_walk_scratch bytes. Threads may
 * run one forest at once, each with scratch and scores of its own. */
EXPORT void foresql_walk_run(const Walk *walk, const double *const *columns, int64_t rows,
                             double *scores, int64_t stride, uint8_t *scratch);

/* Say whether a run stays within the arrays, whose lengths are given, and ends. */
EXPORT int foresql_check_walk(const Walk *walk, const WalkLengths *lengths);

#endif

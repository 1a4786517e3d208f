/* The operations on one block of rows. Each gives the bits of its step in kernels/. */

#ifndef FORESQL_STEPS_H
#define FORESQL_STEPS_H

#include <float.h>

#include "functions.h"
#include "operations.h"

/* One run: where each register's values of this block are. */
typedef struct {
    const Program *program;
    const Column *columns;
    int64_t start, rows, stride; /* the block; stride is that of the registers' own memory */
    double *slots;
    const double **value;        /* [registers] the slot, or a column of the caller */
    const double **pointers;     /* [registers] what a forest gets */
    uint8_t *forest_scratch;
    int variant;
    /* A row that is refused: */
    int32_t input;               /* which of the operation's inputs */
    int64_t row;
} Block;

static double *output(Block *run, const Operation *op, int32_t index) {
    double *slot = run->slots + op->out[index] * run->stride;
    run->value[op->out[index]] = slot;
    return slot;
}

static int32_t *code_output(Block *run, const Operation *op, int32_t index) {
    return (int32_t *)(void *)output(run, op, index);
}

static const double *input(const Block *run, const Operation *op, int32_t index) {
    return run->value[op->in[index]];
}

static const int32_t *code_input(const Block *run, const Operation *op, int32_t index) {
    return (const int32_t *)(const void *)input(run, op, index);
}

static const double *doubles(const Block *run, const Operation *op, int32_t index) {
    return (const double *)table_of(run->program, op, index);
}

/* ------------------------------------------------------------------------------------- refusing */

static int refused(Block *run, int32_t input, int64_t row) {
    run->input = input;
    run->row = row;
    return RUN_REFUSED;
}

/* Find the first row for which a condition on x holds, if any. The first loop has no exit: it is a
 * vector loop, and most blocks end there. */
#define REFUSE_WHERE(condition)                           \
    do {                                                  \
        int found = 0;                                    \
        for (int64_t i = 0; i < rows; i++) {              \
            double x = column[i];                         \
            found |= (condition);                         \
        }                                                 \
        if (found) REFUSE_FIRST(condition);               \
    } while (0)

#define REFUSE_FIRST(condition)                           \
    do {                                                  \
        for (int64_t i = 0; i < rows; i++) {              \
            double x = column[i];                         \
            if (condition) return refused(run, index, i); \
        }                                                 \
    } while (0)

/* The bits of a number without its sign. They ascend with its size, to infinity's and then NaN's. */
static uint64_t size_of(double x) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits & INT64_MAX;
}

/* Whether the size of any value lies between two. Compilers make a vector loop of this for all
 * machines, as it compares by subtracting. */
static int any_between(const double *column, int64_t rows, uint64_t low, uint64_t high) {
    uint64_t between = 0;
    for (int64_t i = 0; i < rows; i++) {
        const uint64_t size = size_of(column[i]);
        between |= (low - size) & (size - high);
    }
    return (int)(between >> 63);
}

static int refuse_numbers(Block *run, const Operation *op) {
    const uint64_t infinite = size_of(HUGE_VAL);
    const int64_t rows = run->rows;
    const double *limits = op->tables ? doubles(run, op, 0) : NULL;
    for (int32_t index = 0; index < op->ins; index++) {
        const double *column = input(run, op, index);
        if (op->code == REFUSE_MISSING) REFUSE_WHERE(x != x);
        else if (op->code == REFUSE_INFINITE) {
            if (any_between(column, rows, infinite - 1, infinite + 1))
                REFUSE_FIRST(fabs(x) > DBL_MAX);
        } else if (op->code == REFUSE_LARGE) {
            const double limit = limits[0];
            if (!(limit >= 0.0) || any_between(column, rows, size_of(limit), infinite))
                REFUSE_FIRST((fabs(x) > limit) & (fabs(x) <= DBL_MAX));
        } else {
            double low = limits[0], high = limits[1];
            REFUSE_WHERE((x < low) | (x > high));
        }
    }
    return RUN_DONE;
}

#undef REFUSE_WHERE
#undef REFUSE_FIRST

static int refuse_codes(Block *run, const Operation *op) {
    const int32_t *codes = code_input(run, op, 0);
    const uint8_t *is_refused = (const uint8_t *)table_of(run->program, op, 0);
    for (int64_t i = 0; i < run->rows; i++)
        if (is_refused[codes[i]]) return refused(run, 0, i);
    return RUN_DONE;
}

/* ------------------------------------------------------------------------------ column by column */

static double modulo(double x, double c) {
    /* The remainder with the sign of c, as npy_remainder. */
    double rest = fmod(x, c);
    if (c == 0) return rest;
    if (rest == 0) return copysign(0.0, c);
    return (c < 0) != (rest < 0) ? rest + c : rest;
}

#define EACH(result)                          \
    do {                                      \
        for (int64_t i = 0; i < rows; i++) {  \
            double v = x[i];                  \
            out[i] = (result);                \
        }                                     \
    } while (0)

static void arithmetic(int32_t operator, const double *x, double c, int64_t rows, double *out) {
    switch (operator) {
    case ADD: EACH(v + c); break;
    case SUBTRACT: EACH(v - c); break;
    case SUBTRACT_FROM: EACH(c - v); break;
    case MULTIPLY: EACH(v * c); break;
    case DIVIDE: EACH(v / c); break;
    default: EACH(modulo(v, c));
    }
}

static void column_by_column(Block *run, const Operation *op) {
    const int64_t rows = run->rows;
    const double *numbers = op->tables ? doubles(run, op, 0) : NULL;
    for (int32_t index = 0; index < op->outs; index++) {
        const double *x = input(run, op, index);
        double *out = output(run, op, index);
        double low, high;
        switch (op->code) {
        case NULL_IF:
            low = numbers[0], high = numbers[1];
            EACH(((v >= low) & (v <= high)) ? NAN : v);
            break;
        case IMPUTE:
            low = numbers[index];
            EACH(v != v ? low : v);
            break;
        case CLIP:
            low = numbers[0], high = numbers[1];
            EACH(limited(v, low, high));
            break;
        case EXCEEDS:
            low = numbers[0];
            EACH(v > low ? 1.0 : 0.0);
            break;
        case IS_MISSING: EACH(v != v ? 1.0 : 0.0); break;
        case ARITHMETIC: arithmetic(op->integer[0], x, numbers[index], rows, out); break;
        default: apply_function(op->integer[0], x, rows, numbers, out);
        }
    }
}

#undef EACH

static void pairs(Block *run, const Operation *op) {
    const int64_t rows = run->rows;
    for (int32_t index = 0; index < op->outs; index++) {
        const double *a = input(run, op, index), *b = input(run, op, op->outs + index);
        double *out = output(run, op, index);
        if (op->code == PRODUCT)
            for (int64_t i = 0; i < rows; i++) out[i] = a[i] * b[i];
        else
            for (int64_t i = 0; i < rows; i++) out[i] = a[i] != a[i] ? b[i] : a[i];
    }
}

static void interpolate(Block *run, const Operation *op) {
    const double *x = input(run, op, 0), *xs = doubles(run, op, 0), *ys = doubles(run, op, 1);
    const int64_t points = table_bytes(run->program, op, 0) / (int64_t)sizeof(double);
    double *out = output(run, op, 0);
    for (int64_t i = 0; i < run->rows; i++) {
        double v = x[i];
        if (points == 1) { out[i] = ys[0]; continue; }
        if (v != v) { out[i] = v; continue; }
        /* How many points are at or below v. */
        int64_t low = 0, high = points;
        while (low < high) {
            int64_t middle = (low + high) / 2;
            if (xs[middle] <= v) low = middle + 1;
            else high = middle;
        }
        if (low == 0) out[i] = ys[0];
        else if (low == points) out[i] = ys[points - 1];
        else if (xs[low - 1] == v) out[i] = ys[low - 1];
        else {
            double slope = (ys[low] - ys[low - 1]) / (xs[low] - xs[low - 1]);
            double y = slope * (v - xs[low - 1]) + ys[low - 1];
            if (y != y) y = slope * (v - xs[low]) + ys[low];
            out[i] = y != y && ys[low - 1] == ys[low] ? ys[low] : y;
        }
    }
}

/* ----------------------------------------------------------------------------------------- codes */

static void match(Block *run, const Operation *op) {
    const double *x = input(run, op, 0), *keys = doubles(run, op, 0);
    const int32_t *code = (const int32_t *)table_of(run->program, op, 1);
    const int64_t count = table_bytes(run->program, op, 0) / (int64_t)sizeof(double);
    const int32_t no_key = op->integer[0], missing = op->integer[1];
    int32_t *out = code_output(run, op, 0);
    for (int64_t i = 0; i < run->rows; i++) {
        double v = x[i];
        int64_t low = 0, high = count;
        while (low < high) {
            int64_t middle = (low + high) / 2;
            if (keys[middle] < v) low = middle + 1;
            else high = middle;
        }
        out[i] = v != v ? missing : low < count && keys[low] == v ? code[low] : no_key;
    }
}

static void code_by_code(Block *run, const Operation *op) {
    const int32_t *codes = code_input(run, op, 0);
    const void *table = op->tables ? table_of(run->program, op, 0) : NULL;
    const int64_t rows = run->rows;
    double *numbers = output(run, op, 0);
    int32_t *out = (int32_t *)(void *)numbers;
    if (op->code == GATHER)
        for (int64_t i = 0; i < rows; i++) numbers[i] = ((const double *)table)[codes[i]];
    else if (op->code == TRANSLATE)
        for (int64_t i = 0; i < rows; i++) out[i] = ((const int32_t *)table)[codes[i]];
    else if (op->code == INDICATOR)
        for (int64_t i = 0; i < rows; i++) numbers[i] = codes[i] == op->integer[0] ? 1.0 : 0.0;
    else
        for (int64_t i = 0; i < rows; i++)
            out[i] = codes[i] == op->integer[0] ? op->integer[1] : codes[i];
}

/* The position of a number in an ascending table, or -1. */
static int64_t find_known(const int64_t *known, int64_t count, int64_t wanted) {
    int64_t low = 0, high = count;
    while (low < high) {
        int64_t middle = (low + high) / 2;
        if (known[middle] < wanted) low = middle + 1;
        else high = middle;
    }
    return low < count && known[low] == wanted ? low : -1;
}

/* What is known of a row so far is one number, input by input, as in kernels/lookup_row.py. */
static void lookup_row(Block *run, const Operation *op) {
    const double *table = doubles(run, op, 0);
    const int64_t width = op->outs;
    const int64_t last = table_bytes(run->program, op, 0) / (width * (int64_t)sizeof(double)) - 1;
    for (int32_t o = 0; o < op->outs; o++) output(run, op, o);
    for (int64_t i = 0; i < run->rows; i++) {
        int64_t found = 0;
        for (int32_t index = 0; found >= 0 && index < op->ins; index++) {
            const int64_t *known = (const int64_t *)table_of(run->program, op, 1 + index);
            int64_t count = table_bytes(run->program, op, 1 + index) / (int64_t)sizeof(int64_t);
            int32_t size = op->integer[index], code = code_input(run, op, index)[i];
            found = code < size ? find_known(known, count, found * size + code) : -1;
        }
        const double *numbers = table + (found < 0 || found > last ? last : found) * width;
        for (int32_t o = 0; o < op->outs; o++)
            run->slots[op->out[o] * run->stride + i] = numbers[o];
    }
}

/* ------------------------------------------------------------------------------------------ sums */

enum { STRIP = 32 };

/* Terms in the order of the inputs, the intercept last. A strip of rows stays in registers. */
static void dot(Block *run, const Operation *op) {
    const double *weights = doubles(run, op, 0), *intercepts = doubles(run, op, 1);
    const uint8_t *is_code = (const uint8_t *)table_of(run->program, op, 2);
    const int32_t outs = op->outs;
    for (int32_t o = 0; o < outs; o++) {
        double *out = output(run, op, o);
        for (int64_t first = 0; first < run->rows; first += STRIP) {
            int64_t rows = run->rows - first < STRIP ? run->rows - first : STRIP;
            double sum[STRIP] = {0};
            for (int32_t index = 0; index < op->ins; index++) {
                const double *weight = weights + op->integer[index] + o;
                if (is_code[index]) {
                    const int32_t *codes = code_input(run, op, index) + first;
                    for (int64_t i = 0; i < rows; i++) sum[i] += weight[(int64_t)codes[i] * outs];
                    continue;
                }
                const double *x = input(run, op, index) + first, w = *weight;
                if (rows == STRIP)
                    for (int i = 0; i < STRIP; i++) sum[i] += x[i] * w;
                else
                    for (int64_t i = 0; i < rows; i++) sum[i] += x[i] * w;
            }
            for (int64_t i = 0; i < rows; i++) out[first + i] = sum[i] + intercepts[o];
        }
    }
}

static void float32_dot(Block *run, const Operation *op) {
    const float *weights = (const float *)table_of(run->program, op, 0);
    const float *intercepts = (const float *)table_of(run->program, op, 1);
    for (int32_t o = 0; o < op->outs; o++) {
        double *out = output(run, op, o);
        for (int64_t i = 0; i < run->rows; i++) out[i] = (double)intercepts[o];
        for (int32_t index = 0; index < op->ins; index++) {
            const double *x = input(run, op, index);
            const float weight = weights[(int64_t)index * op->outs + o];
            for (int64_t i = 0; i < run->rows; i++) {
                float term = (float)x[i] * weight, sum = (float)out[i];
                out[i] = x[i] == x[i] ? (double)(float)(sum + term) : out[i];
            }
        }
    }
}

static void sum_columns(Block *run, const Operation *op) {
    for (int32_t o = 0; o < op->outs; o++) {
        const double *first = input(run, op, o);
        double *out = output(run, op, o);
        for (int64_t i = 0; i < run->rows; i++) out[i] = first[i];
        for (int32_t index = o + op->outs; index < op->ins; index += op->outs) {
            const double *x = input(run, op, index);
            for (int64_t i = 0; i < run->rows; i++) out[i] += x[i];
        }
    }
}

/* ----------------------------------------------------------------------------------- row by row */

static double largest(const Block *run, const Operation *op, int64_t row, int absolute) {
    double found = input(run, op, 0)[row];
    found = absolute ? fabs(found) : found;
    for (int32_t index = 1; index < op->ins; index++) {
        double x = input(run, op, index)[row];
        x = absolute ? fabs(x) : x;
        found = found != found ? found : x <= found ? found : x; /* NaN wins */
    }
    return found;
}

static double norm_of(const Block *run, const Operation *op, int64_t row) {
    const int32_t norm = op->integer[0];
    double sum = 0;
    if (norm == LARGEST) return largest(run, op, row, 1);
    for (int32_t index = 0; index < op->ins; index++) {
        double x = input(run, op, index)[row];
        x = norm == EUCLIDEAN ? x * x : norm == ABSOLUTE_SUM ? fabs(x) : x;
        sum = index ? sum + x : x;
    }
    return norm == EUCLIDEAN ? sqrt(sum) : sum;
}

static void normalize(Block *run, const Operation *op) {
    const int32_t norm_kind = op->integer[0];
    for (int32_t o = 0; o < op->outs; o++) output(run, op, o);
    for (int64_t i = 0; i < run->rows; i++) {
        double norm = norm_of(run, op, i);
        int is_zero = norm_kind <= SUM_OR_MISSING ? norm == 0 : norm < 10 * DBL_EPSILON;
        norm = is_zero ? 1.0 : norm;
        for (int32_t o = 0; o < op->outs; o++) {
            double share = input(run, op, o)[i] / norm;
            if (is_zero && norm_kind == SUM_NORM) share = 1.0 / (double)op->ins;
            if (is_zero && norm_kind == SUM_OR_MISSING) share = NAN;
            run->slots[op->out[o] * run->stride + i] = share;
        }
    }
}

static double power_of(int32_t exponential, double x, const void *table, int is_in_four) {
    if (exponential == BY_EXP) return libm_exp(x);
    if (exponential == BY_FLOAT32) return float32_exp(to_float(x), (const int64_t *)table);
    const uint64_t *parts = (const uint64_t *)table;
    return is_in_four ? fmath_exp_of_four(x, parts) : fmath_exp_of_rest(x, parts);
}

static void softmax(Block *run, const Operation *op) {
    const int32_t kind = op->integer[0], fours = op->outs / 4 * 4;
    const void *table = op->tables ? table_of(run->program, op, 0) : NULL;
    for (int32_t o = 0; o < op->outs; o++) output(run, op, o);
    for (int64_t i = 0; i < run->rows; i++) {
        double most = largest(run, op, i, 0), total = 0;
        for (int32_t o = 0; o < op->outs; o++) {
            double power = power_of(kind, input(run, op, o)[i] - most, table, o < fours);
            run->slots[op->out[o] * run->stride + i] = power;
            total += power;
        }
        total = kind == BY_FLOAT32 ? to_float(total) : total;
        for (int32_t o = 0; o < op->outs; o++) {
            double *share = run->slots + op->out[o] * run->stride + i;
            *share = kind == BY_FLOAT32 ? to_float(*share / total) : *share / total;
        }
    }
}

static void argmax(Block *run, const Operation *op) {
    double *out = output(run, op, 0);
    for (int64_t i = 0; i < run->rows; i++) {
        double best = input(run, op, 0)[i];
        int32_t first = 0;
        for (int32_t index = 1; index < op->ins && best == best; index++) {
            double x = input(run, op, index)[i];
            if (!(x <= best)) { best = x; first = index; }
        }
        out[i] = first;
    }
}

/* ----------------------------------------------------------------------------------------- forest */

static void run_forest(Block *run, const Operation *op) {
    const double *start = doubles(run, op, 0);
    const int blends = op->blend && (!op->walk || run->rows >= op->integer[0]);
    /* Its scores are registers side by side. */
    double *scores = run->slots + op->out[0] * run->stride;
    for (int32_t o = 0; o < op->outs; o++) {
        double *score = output(run, op, o);
        for (int64_t i = 0; i < run->rows; i++) score[i] = start[o];
    }
    for (int32_t index = 0; index < op->ins; index++) run->pointers[index] = input(run, op, index);
    if (blends)
        foresql_run(op->blend, run->pointers, run->rows, scores, run->stride, run->forest_scratch,
                    run->variant);
    else
        foresql_walk_run(op->walk, run->pointers, run->rows, scores, run->stride,
                         run->forest_scratch);
}

/* --------------------------------------------------------------------------------------- dispatch */

static int load(Block *run, const Operation *op) {
    const Column *column = run->columns + op->integer[0];
    const Vocabulary *vocabulary = &run->program->column[op->integer[0]].vocabulary;
    double *slot = output(run, op, 0);
    if (op->code == LOAD_KEY) {
        int32_t *codes = (int32_t *)(void *)slot;
        return load_codes(vocabulary, column, run->start, run->rows, codes) ? RUN_DONE
                                                                            : RUN_UNREADABLE;
    }
    run->value[op->out[0]] = load_numbers(column, run->start, run->rows, slot);
    return RUN_DONE;
}

static int run_operation(Block *run, const Operation *op) {
    switch (op->code) {
    case LOAD_NUMBER:
    case LOAD_KEY: return load(run, op);
    case REFUSE_MISSING:
    case REFUSE_INFINITE:
    case REFUSE_LARGE:
    case REFUSE_RANGE: return refuse_numbers(run, op);
    case REFUSE_CODES: return refuse_codes(run, op);
    case COALESCE:
    case PRODUCT: pairs(run, op); break;
    case REPLACE_CODE:
    case INDICATOR:
    case GATHER:
    case TRANSLATE: code_by_code(run, op); break;
    case MATCH: match(run, op); break;
    case LOOKUP_ROW: lookup_row(run, op); break;
    case DOT: dot(run, op); break;
    case FLOAT32_DOT: float32_dot(run, op); break;
    case SUM: sum_columns(run, op); break;
    case NORMALIZE: normalize(run, op); break;
    case FOREST: run_forest(run, op); break;
    case INTERPOLATE: interpolate(run, op); break;
    case SOFTMAX: softmax(run, op); break;
    case ARGMAX: argmax(run, op); break;
    default: column_by_column(run, op);
    }
    return RUN_DONE;
}

#endif

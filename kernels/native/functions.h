/* Functions of one number, with the bits of kernels/libm.py, float32.py and fmath.py.
 *
 * Those of the C library are called one number at a time, as Python calls them. A product, a
 * quotient or a sum of two float32 values that is rounded first to double and then to float is the
 * one that float32 arithmetic gives. */

#ifndef FORESQL_FUNCTIONS_H
#define FORESQL_FUNCTIONS_H

#include <math.h>
#include <stdint.h>
#include <string.h>

/* Function numbers in a program; program.py names them. */
enum {
    SIGMOID = 0, EXP, EXPM1, LOG, SIGNED_SQUARE, LOG1P_EXP, ABSOLUTE, SQUARE, SQRT, NEGATIVE,
    RECIPROCAL, SIGN, FLOOR, CEIL, RINT, TRUNC, CONFIDENCE, FLOAT32, FLOAT32_EXP, FLOAT32_SIGMOID,
    FMATH_EXP, FUNCTIONS
};

static const double LARGEST_EXPONENT = 709.782712893384;

static double number_of_bits(uint64_t bits) {
    double number;
    memcpy(&number, &bits, sizeof number);
    return number;
}

static uint64_t bits_of_number(double number) {
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    return bits;
}

static double limited(double x, double low, double high) {
    x = x < low ? low : x;
    return x > high ? high : x;
}

static double libm_exp(double x) { return x > LARGEST_EXPONENT ? INFINITY : exp(x); }

static double libm_expm1(double x) { return x > LARGEST_EXPONENT ? INFINITY : expm1(x); }

static double libm_log(double x) { return x > 0 ? log(x) : x == 0 ? -INFINITY : NAN; }

static double libm_log1p(double x) { return x == 0 ? x : log1p(x); }

static double sign_of(double x) { return x > 0 ? 1.0 : x < 0 ? -1.0 : x == 0 ? 0.0 : x; }

static double to_float(double x) { return (double)(float)x; }

/* expf of glibc 2.27 and newer; table is that of float32.py, 32 entries. */
static double float32_exp(double x, const int64_t *table) {
    static const double per_part = 0x1.71547652b82fep+0 * 32;
    static const double cubic = 0x1.c6af84b912394p-5 / 32768;
    static const double square = 0x1.ebfce50fac4f3p-3 / 1024;
    static const double linear = 0x1.62e42ff0c52d6p-1 / 32;
    double scaled = limited(x, -150.0, 150.0) * per_part;
    double nearest = rint(scaled);
    double rest = scaled - nearest;
    int64_t part = x == x ? (int64_t)nearest : 0;
    uint64_t bits = (uint64_t)table[part & 31] + ((uint64_t)part << 47);
    double power = (cubic * rest + square) * (rest * rest) + (linear * rest + 1.0);
    return to_float(power * number_of_bits(bits));
}

static double float32_sigmoid(double x, const int64_t *table) {
    static const double largest = (double)88.7f;
    double negated = -x;
    negated = negated > largest ? largest : negated;
    return to_float(1.0 / to_float(float32_exp(negated, table) + 1.0));
}

/* table is that of fmath.py, 2048 entries. */
static double fmath_power(double x, const uint64_t *table) {
    static const double per_part = 2048 / 0.6931471805599453;
    static const double to_integer = (double)(3ll << 51);
    double shifted = x * per_part + to_integer;
    uint64_t bits = bits_of_number(shifted);
    double rest = (shifted - to_integer) * (1.0 / per_part) - x;
    uint64_t power = (bits + ((1ull << 21) - 2048)) >> 11 << 52;
    double factor = (3.0000000027955394 - rest) * (rest * rest) * 0.16666666685227835064 - rest + 1.0;
    return factor * number_of_bits(power | table[bits & 2047]);
}

static double fmath_exp_of_four(double x, const uint64_t *table) {
    return fmath_power(limited(x, -708.39641853226408, 709.78272569338397), table);
}

static double fmath_exp_of_rest(double x, const uint64_t *table) {
    static const double least = -708.39641853226408, largest = 709.78271289338397;
    if (x <= least) return 0.0;
    if (x >= largest) return INFINITY;
    return fmath_power(limited(x, least, largest), table);
}

#define EACH(result)                       \
    for (int64_t i = 0; i < rows; i++) {   \
        double v = x[i];                   \
        out[i] = (result);                 \
    }                                      \
    break

static void apply_function(int32_t function, const double *x, int64_t rows, const void *table,
                           double *out) {
    const int64_t *part32 = (const int64_t *)table;
    const uint64_t *part2048 = (const uint64_t *)table;
    switch (function) {
    case SIGMOID: EACH(1.0 / (1.0 + libm_exp(-v)));
    case EXP: EACH(libm_exp(v));
    case EXPM1: EACH(libm_expm1(v));
    case LOG: EACH(libm_log(v));
    case SIGNED_SQUARE: EACH(sign_of(v) * (v * v));
    case LOG1P_EXP: EACH(libm_log1p(libm_exp(v)));
    case ABSOLUTE: EACH(fabs(v));
    case SQUARE: EACH(v * v);
    case SQRT: EACH(sqrt(v));
    case NEGATIVE: EACH(-v);
    case RECIPROCAL: EACH(1.0 / v);
    case SIGN: EACH(sign_of(v));
    case FLOOR: EACH(floor(v));
    case CEIL: EACH(ceil(v));
    case RINT: EACH(rint(v));
    case TRUNC: EACH(trunc(v));
    case CONFIDENCE: EACH(v / (3 * (fabs(v) + 1)));
    case FLOAT32: EACH(to_float(v));
    case FLOAT32_EXP: EACH(float32_exp(v, part32));
    case FLOAT32_SIGMOID: EACH(float32_sigmoid(v, part32));
    default: EACH(fmath_exp_of_rest(v, part2048));
    }
}

#undef EACH

#endif

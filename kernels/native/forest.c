/* Run a forest: kernel.h, compiled once for each instruction set, and the choice between them.
 *
 * Plain C: no state, no allocation. forest.h has the idea and the tables.
 */

#include "forest.h"

#include <string.h>

#if defined(NO_VECTORS) /* what any other machine runs, to be tested on this one */
#elif defined(__x86_64__) || defined(_M_X64)
#define HAS_SSE2 1
#include <immintrin.h>
#elif defined(__aarch64__) || defined(_M_ARM64)
#define HAS_NEON 1
#include <arm_neon.h>
#endif

#if defined(__GNUC__)
#define INLINE inline __attribute__((always_inline))
#define PREFETCH(address) __builtin_prefetch(address, 0, 2) /* into the second-level cache */
#else
#define INLINE __forceinline
#define PREFETCH(address) ((void)(address))
#endif

/* Before a loop whose arrays shall live in registers. */
#if defined(__clang__)
#define UNROLLED _Pragma("unroll")
#elif defined(__GNUC__)
#define UNROLLED _Pragma("GCC unroll 16")
#else
#define UNROLLED
#endif

/* Vectors that a chain keeps in registers. */
#define VECTORS 8
#define EACH_VECTOR UNROLLED for (int v = 0; v < VECTORS; v++)

#define LEVEL BASELINE
#define NAME(name) name##_baseline
#include "kernel.h"
#undef NAME
#undef LEVEL

#if defined(HAS_SSE2) && defined(__GNUC__)
#define HAS_VARIANTS 1
#define PRAGMA(...) _Pragma(#__VA_ARGS__)
#if defined(__clang__)
#define TARGET(names) \
    PRAGMA(clang attribute push(__attribute__((target(names))), apply_to = function))
#define TARGET_END PRAGMA(clang attribute pop)
#else
#define TARGET(names) PRAGMA(GCC push_options) PRAGMA(GCC target(names))
#define TARGET_END PRAGMA(GCC pop_options)
#endif
#endif

#if defined(HAS_VARIANTS)

TARGET("avx2")
#define LEVEL AVX2
#define NAME(name) name##_avx2
#include "kernel.h"
#undef NAME
#undef LEVEL
TARGET_END

TARGET("avx512f,avx512bw,avx512vl,avx512dq")
#define LEVEL AVX512
#define NAME(name) name##_avx512
#include "kernel.h"
#undef NAME
#undef LEVEL
TARGET_END

#endif

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

typedef void (*RunBlock)(const Forest *, const double *const *columns, int64_t start, int rows,
                         int ahead, uint8_t *codes, uint8_t *slots, double *sums,
                         float *singles);

static RunBlock run_block_of(int variant) {
#if defined(HAS_VARIANTS)
    if (variant == AVX512) return run_block_avx512;
    if (variant == AVX2) return run_block_avx2;
#endif
    (void)variant;
    return run_block_baseline;
}

EXPORT int64_t foresql_scratch(const Forest *forest) {
    int64_t bytes = (int64_t)forest->columns + forest->slots;
    bytes += forest->outputs * (int64_t)(sizeof(double) + sizeof(float));
    return bytes * BLOCK + ALIGNMENT;
}

EXPORT void foresql_run(const Forest *forest, const double *const *columns, int64_t rows,
                        double *scores, int64_t stride, uint8_t *scratch, int variant) {
    const RunBlock run_block = run_block_of(variant);
    uint8_t *aligned = scratch + (ALIGNMENT - (uintptr_t)scratch % ALIGNMENT) % ALIGNMENT;
    double *sums = (double *)aligned;
    float *singles = (float *)(sums + (int64_t)forest->outputs * BLOCK);
    uint8_t *codes = (uint8_t *)(singles + (int64_t)forest->outputs * BLOCK);
    uint8_t *slots = codes + (int64_t)forest->columns * BLOCK;
    for (int64_t start = 0; start < rows; start += BLOCK) {
        const int count = rows - start < BLOCK ? (int)(rows - start) : BLOCK;
        const int64_t left = rows - start - count;
        const int ahead = left < BLOCK ? (int)left : BLOCK;
        const size_t bytes = (size_t)count * sizeof(double);
        for (int i = 0; i < forest->outputs; i++) {
            double *sum = sums + (int64_t)i * BLOCK;
            memcpy(sum, scores + i * stride + start, bytes);
            memset(sum + count, 0, BLOCK * sizeof(double) - bytes);
        }
        run_block(forest, columns, start, count, ahead, codes, slots, sums, singles);
        for (int i = 0; i < forest->outputs; i++)
            memcpy(scores + i * stride + start, sums + (int64_t)i * BLOCK, bytes);
    }
}

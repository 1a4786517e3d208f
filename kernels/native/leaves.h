/* Adding the trees' leaves to the sums of a block, in the order of the trees.
 *
 * Every addition is rounded once, as in the numpy kernel. With AVX-512 the leaves of a small tree
 * lie in registers, and a permutation fetches those of 8 rows: the order in which coding.h stores
 * rows puts the 8 leaf numbers into 8 lanes by a shift. single.h has the sums in float32.
 */

#if LEVEL == AVX512

enum { MOST_IN_REGISTERS = 64 };

/* Eight leaves from the first; zeros where the tree has no more. */
static INLINE __m512d eight_leaves(const double *leaves, int count, int first) {
    const int left = count - first;
    __mmask8 there = (__mmask8)(left >= 8 ? 255 : left <= 0 ? 0 : (1 << left) - 1);
    return _mm512_maskz_loadu_pd(there, leaves + (left > 0 ? first : 0));
}

static INLINE void add_from_registers(const double *leaves, int count, const uint8_t *found,
                                      double *sums, int pairs) {
    __m512d table[8];
    UNROLLED for (int i = 0; i < 2 * pairs; i++) table[i] = eight_leaves(leaves, count, 8 * i);
    for (int start = 0; start < BLOCK; start += 64) {
        const __m512i numbers = _mm512_load_si512(found + start);
        UNROLLED for (int b = 0; b < 8; b++) {
            double *to = sums + start + 8 * b;
            __m512i number = _mm512_srli_epi64(numbers, 8 * b);
            __m512d leaf = _mm512_permutex2var_pd(table[0], number, table[1]);
            if (pairs > 1) {
                __mmask8 upper = _mm512_test_epi64_mask(number, _mm512_set1_epi64(16));
                __m512d other = _mm512_permutex2var_pd(table[2], number, table[3]);
                leaf = _mm512_mask_mov_pd(leaf, upper, other);
                if (pairs > 2) {
                    __m512d third = _mm512_permutex2var_pd(table[4], number, table[5]);
                    other = _mm512_permutex2var_pd(table[6], number, table[7]);
                    other = _mm512_mask_mov_pd(third, upper, other);
                    upper = _mm512_test_epi64_mask(number, _mm512_set1_epi64(32));
                    leaf = _mm512_mask_mov_pd(leaf, upper, other);
                }
            }
            _mm512_store_pd(to, _mm512_add_pd(_mm512_load_pd(to), leaf));
        }
    }
}

static void add_small_tree(const double *leaves, int count, const uint8_t *found, double *sums) {
    if (count <= 16) add_from_registers(leaves, count, found, sums, 1);
    else if (count <= 32) add_from_registers(leaves, count, found, sums, 2);
    else add_from_registers(leaves, count, found, sums, 4);
}

#endif

/* The place of a row's codes; i and j are below 8. */
#define PLACE(start, i, j) ((start) + 8 * (LEVEL == AVX512 ? (j) : (i)) + \
                            (LEVEL == AVX512 ? (i) : (j)))
#define EACH_ROW \
    for (int start = 0; start < BLOCK; start += 64) \
        for (int i = 0; i < 8; i++) \
            for (int j = 0; j < 8; j++)

static void NAME(add_tree)(const double *leaves, const uint8_t *found, double *sums) {
    EACH_ROW sums[start + 8 * i + j] += leaves[found[PLACE(start, i, j)]];
}

/* Four trees in one pass over the sums; each row's additions are in the same order. */
static void NAME(add_four)(const double *const *leaves, const uint8_t *const *found,
                           double *sums) {
    const double *a = leaves[0], *b = leaves[1], *c = leaves[2], *d = leaves[3];
    const uint8_t *in_a = found[0], *in_b = found[1], *in_c = found[2], *in_d = found[3];
    EACH_ROW {
        const int row = start + 8 * i + j, place = PLACE(start, i, j);
        sums[row] = (((sums[row] + a[in_a[place]]) + b[in_b[place]]) + c[in_c[place]]) +
                    d[in_d[place]];
    }
}

static INLINE int NAME(four_of_one)(const Forest *forest, int tree, int end) {
    const int32_t *output = forest->output + tree;
    return tree + 4 <= end && output[0] == output[1] && output[0] == output[2] &&
           output[0] == output[3];
}

/* Add a batch of trees to sums, double[outputs][BLOCK]. */
static void NAME(add_batch)(const Forest *forest, int batch, const uint8_t *slots, double *sums) {
    const int end = (int)forest->first_tree[batch + 1];
    for (int tree = (int)forest->first_tree[batch]; tree < end;) {
        double *to = sums + (int64_t)forest->output[tree] * BLOCK;
        const double *leaves[4];
        const uint8_t *found[4];
        int together = NAME(four_of_one)(forest, tree, end) ? 4 : 1;
        for (int i = 0; i < together; i++) {
            leaves[i] = forest->leaves + forest->first_leaf[tree + i];
            found[i] = slots + (int64_t)forest->root[tree + i] * BLOCK;
        }
#if LEVEL == AVX512
        int64_t count = forest->first_leaf[tree + 1] - forest->first_leaf[tree];
        if (count <= MOST_IN_REGISTERS) {
            add_small_tree(leaves[0], (int)count, found[0], to);
            tree++;
            continue;
        }
#endif
        if (together == 4) NAME(add_four)(leaves, found, to);
        else NAME(add_tree)(leaves[0], found[0], to);
        tree += together;
    }
}

#undef PLACE
#undef EACH_ROW

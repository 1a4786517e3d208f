/* Adding the trees' leaves in float32, where all leaves are float32 values.
 *
 * A sum of two float32 values that is rounded to float64 and then to float32 is their sum in
 * float32, so these are the bits of the numpy kernel. With AVX-512 a tree's leaves, up to 256, lie
 * in registers, and permutations fetch those of 16 rows: a shift puts every fourth of the leaf
 * numbers into 16 lanes. The sums of 64 rows are kept in the order that this gives.
 */

/* What a byte can number: leaves beyond are nobody's. */
enum { NAME(NUMBERS) = 256 };

#if LEVEL == AVX512

/* Where the sum of row 32 * h + 8 * c + j of 64 is kept. */
#define SUM_PLACE(h, c, j) (16 * (c) + 2 * (j) + (h))

static INLINE void add_singles(const double *leaves, int count, const uint8_t *found, float *sums,
                               int pairs) {
    __m512 table[16];
    UNROLLED for (int i = 0; i < 2 * pairs; i++) {
        __m256 low = _mm512_cvtpd_ps(eight_leaves(leaves, count, 16 * i));
        __m256 high = _mm512_cvtpd_ps(eight_leaves(leaves, count, 16 * i + 8));
        table[i] = _mm512_insertf32x8(_mm512_castps256_ps512(low), high, 1);
    }
    for (int start = 0; start < BLOCK; start += 64) {
        const __m512i numbers = _mm512_load_si512(found + start);
        UNROLLED for (int c = 0; c < 4; c++) {
            float *to = sums + start + 16 * c;
            const __m512i number = _mm512_srli_epi32(numbers, 8 * c);
            __m512 leaf[8];
            /* Five bits of a number choose from a pair of registers, one more between pairs. */
            UNROLLED for (int i = 0; i < pairs; i++)
                leaf[i] = _mm512_permutex2var_ps(table[2 * i], number, table[2 * i + 1]);
            UNROLLED for (int step = 1; step < pairs; step *= 2) {
                __mmask16 upper = _mm512_test_epi32_mask(number, _mm512_set1_epi32(32 * step));
                UNROLLED for (int i = 0; i < pairs; i += 2 * step)
                    leaf[i] = _mm512_mask_mov_ps(leaf[i], upper, leaf[i + step]);
            }
            _mm512_store_ps(to, _mm512_add_ps(_mm512_load_ps(to), leaf[0]));
        }
    }
}

static void add_tree_single_avx512(const double *leaves, int count, const uint8_t *found,
                                   float *sums) {
    if (count <= 32) add_singles(leaves, count, found, sums, 1);
    else if (count <= 64) add_singles(leaves, count, found, sums, 2);
    else if (count <= 128) add_singles(leaves, count, found, sums, 4);
    else add_singles(leaves, count, found, sums, 8);
}

#else

#define SUM_PLACE(h, c, j) (32 * (h) + 8 * (c) + (j))

static void NAME(add_tree_single)(const double *leaves, int count, const uint8_t *found,
                                  float *sums) {
    float single[NAME(NUMBERS)];
    for (int i = 0; i < count; i++) single[i] = (float)leaves[i];
    for (int row = 0; row < BLOCK; row++) sums[row] += single[found[row]];
}

#endif

#define EACH_SUM \
    for (int64_t start = 0; start < (int64_t)outputs * BLOCK; start += 64) \
        for (int h = 0; h < 2; h++) \
            for (int c = 0; c < 4; c++) \
                for (int j = 0; j < 8; j++)

/* A sum that is no float32 is rounded before the first addition. */
static void NAME(to_singles)(const double *sums, int outputs, float *singles) {
    EACH_SUM singles[start + SUM_PLACE(h, c, j)] = (float)sums[start + 32 * h + 8 * c + j];
}

static void NAME(from_singles)(const float *singles, int outputs, double *sums) {
    EACH_SUM sums[start + 32 * h + 8 * c + j] = singles[start + SUM_PLACE(h, c, j)];
}

/* Add a batch of trees to sums, float[outputs][BLOCK]. */
static void NAME(add_batch_single)(const Forest *forest, int batch, const uint8_t *slots,
                                   float *sums) {
    const int end = (int)forest->first_tree[batch + 1];
    for (int tree = (int)forest->first_tree[batch]; tree < end; tree++) {
        const int64_t first = forest->first_leaf[tree];
        const int64_t count = forest->first_leaf[tree + 1] - first;
        NAME(add_tree_single)(forest->leaves + first, count < NAME(NUMBERS) ? (int)count : NAME(NUMBERS),
                              slots + (int64_t)forest->root[tree] * BLOCK,
                              sums + (int64_t)forest->output[tree] * BLOCK);
    }
}

#undef SUM_PLACE
#undef EACH_SUM

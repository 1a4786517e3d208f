/* Coding a block of values: the number of thresholds below each, or a category's place in sets.
 *
 * Without AVX-512, a uniform grid gives how many thresholds lie in the cells before a value's own;
 * one to three compares settle the rest. Uneven thresholds are searched by halves instead.
 *
 * With AVX-512, 16 values at once walk down a search tree that lies in registers. It holds the
 * upper 32 bits of the thresholds as integers that ascend with them (a key). Where the key of a
 * value is below or above that of a threshold, so is the value; the few values whose key equals a
 * threshold's are compared in full. Codes are then stored in the order in which leaves.h adds:
 * byte b of the j-th 8 bytes of 64 belongs to row 8 * b + j.
 */

#if LEVEL == AVX512

/* The next pivots of 16 walks; h numbers the nodes of the tree in the order of its levels. */
static INLINE __m512i pivots(const __m512i *keys, __m512i h, int level) {
    if (level < 4) return _mm512_permutexvar_epi32(h, keys[0]);
    if (level == 4) return _mm512_permutexvar_epi32(h, keys[1]);
    if (level == 5) return _mm512_permutex2var_epi32(keys[2], h, keys[3]);
    const int half = 1 << (level - 5);
    const __m512i bit = _mm512_set1_epi32(1 << 5);
    const __m512i *at = keys + 2 * half;
    __m512i low = _mm512_permutex2var_epi32(at[0], h, at[1]);
    __m512i high = _mm512_permutex2var_epi32(at[2], h, at[3]);
    __m512i first = _mm512_mask_mov_epi32(low, _mm512_test_epi32_mask(h, bit), high);
    if (level == 6) return first;
    low = _mm512_permutex2var_epi32(at[4], h, at[5]);
    high = _mm512_permutex2var_epi32(at[6], h, at[7]);
    __m512i second = _mm512_mask_mov_epi32(low, _mm512_test_epi32_mask(h, bit), high);
    return _mm512_mask_mov_epi32(first, _mm512_test_epi32_mask(h, _mm512_set1_epi32(1 << 6)),
                                 second);
}

/* Keys of 8 and 8 values, in turn. NaN has the lowest, which no threshold has. */
static INLINE __m512i keys_of(__m512d even, __m512d odd) {
    const __m512d lowest = _mm512_castsi512_pd(_mm512_set1_epi64(-1));
    even = _mm512_mask_mov_pd(even, _mm512_cmp_pd_mask(even, even, _CMP_UNORD_Q), lowest);
    odd = _mm512_mask_mov_pd(odd, _mm512_cmp_pd_mask(odd, odd, _CMP_UNORD_Q), lowest);
    __m512i upper = _mm512_mask_mov_epi32(_mm512_srli_epi64(_mm512_castpd_si512(even), 32), 0xAAAA,
                                          _mm512_castpd_si512(odd));
    return _mm512_xor_si512(upper, _mm512_srli_epi32(_mm512_srai_epi32(upper, 31), 1));
}

/* Raise codes until no threshold from there on is below the value; +inf ends the thresholds. */
static __m512i settle(__m512i code, __m512d even, __m512d odd, const double *thresholds) {
    const __m512i low = _mm512_set1_epi64(0xffffffff), one = _mm512_set1_epi64(1);
    for (;;) {
        __m512d next = _mm512_i64gather_pd(_mm512_and_si512(code, low), thresholds, 8);
        __mmask8 is_below = _mm512_cmp_pd_mask(next, even, _CMP_LT_OQ);
        next = _mm512_i64gather_pd(_mm512_srli_epi64(code, 32), thresholds, 8);
        __mmask8 odd_is_below = _mm512_cmp_pd_mask(next, odd, _CMP_LT_OQ);
        if (!(is_below | odd_is_below)) return code;
        code = _mm512_mask_add_epi64(code, is_below, code, one);
        code = _mm512_mask_add_epi64(code, odd_is_below, code, _mm512_slli_epi64(one, 32));
    }
}

static INLINE void code_by_search(const Forest *forest, const Feature *f, const double *x,
                                  int rows, uint8_t *codes, int levels) {
    const double *thresholds = forest->thresholds + f->thresholds;
    const __m512i missing = _mm512_set1_epi32(f->missing), one = _mm512_set1_epi32(1);
    const __m512i most = _mm512_set1_epi32((2 << levels) - 1);
    __m512i keys[16];
    UNROLLED for (int i = 0; i < 16; i++)
        if (i == 0 || i < (1 << levels) / 16)
            keys[i] = _mm512_loadu_si512(forest->keys + f->keys + 16 * i);
    for (int start = 0; start < rows; start += 64) {
        __m512i codes_of_64 = _mm512_setzero_si512();
        UNROLLED for (int b = 0; b < 4; b++) {
            __m512d even = _mm512_loadu_pd(x + start + 8 * b);
            __m512d odd = _mm512_loadu_pd(x + start + 8 * b + 32);
            __m512i key = keys_of(even, odd), h = one, above = _mm512_set1_epi32(INT32_MAX);
            UNROLLED for (int level = 0; level < levels; level++) {
                __m512i pivot = pivots(keys, h, level);
                __mmask16 is_above = _mm512_cmpge_epi32_mask(pivot, key);
                h = _mm512_add_epi32(h, h);
                h = _mm512_mask_add_epi32(h, is_above, h, one);
                above = _mm512_mask_mov_epi32(above, is_above, pivot);
            }
            __m512i code = _mm512_sub_epi32(most, h);
            if (_mm512_cmpeq_epi32_mask(above, key)) code = settle(code, even, odd, thresholds);
            __mmask16 is_nan = _mm512_cmpeq_epi32_mask(key, _mm512_set1_epi32(INT32_MIN));
            code = _mm512_mask_mov_epi32(code, is_nan, missing);
            codes_of_64 = _mm512_or_si512(codes_of_64, _mm512_slli_epi32(code, 8 * b));
        }
        _mm512_store_si512(codes + start, codes_of_64);
    }
}

static void code_numbers_avx512(const Forest *forest, const Feature *f, const double *x, int rows,
                                uint8_t *codes) {
    if (f->levels == 2) code_by_search(forest, f, x, rows, codes, 2);
    else if (f->levels == 4) code_by_search(forest, f, x, rows, codes, 4);
    else if (f->levels == 5) code_by_search(forest, f, x, rows, codes, 5);
    else if (f->levels == 6) code_by_search(forest, f, x, rows, codes, 6);
    else if (f->levels == 7) code_by_search(forest, f, x, rows, codes, 7);
    else code_by_search(forest, f, x, rows, codes, 8);
}

/* Where in the table 8 categories are, cut towards zero; those outside it, and NaN, follow it. */
static INLINE __m512i places(__m512d x, int count) {
    __mmask8 inside = _mm512_cmp_pd_mask(x, _mm512_set1_pd(-1.0), _CMP_GT_OQ) &
                      _mm512_cmp_pd_mask(x, _mm512_set1_pd(count), _CMP_LT_OQ);
    __m512i place = _mm512_mask_cvttpd_epi64(_mm512_set1_epi64(count), inside, x);
    return _mm512_mask_mov_epi64(place, _mm512_cmp_pd_mask(x, x, _CMP_UNORD_Q),
                                 _mm512_set1_epi64(count + 1));
}

static void code_categories_avx512(const Forest *forest, const Feature *f, const double *x,
                                   int rows, uint8_t *codes) {
    const uint8_t *table = forest->bytes + f->bytes;
    const __m512i bits = _mm512_set1_epi64((long long)0x8040201008040201ull);
    for (int start = 0; start < rows; start += 64) {
        __m512i code = _mm512_setzero_si512();
        UNROLLED for (int b = 0; b < 4; b++) {
            __m512i even = places(_mm512_loadu_pd(x + start + 8 * b), f->count);
            __m512i odd = places(_mm512_loadu_pd(x + start + 8 * b + 32), f->count);
            __m512i place = _mm512_or_si512(even, _mm512_slli_epi64(odd, 32));
            __m512i found = _mm512_and_si512(_mm512_i32gather_epi32(place, table, 1),
                                             _mm512_set1_epi32(255));
            code = _mm512_or_si512(code, _mm512_slli_epi32(found, 8 * b));
        }
        __m512i byte = _mm512_and_si512(_mm512_srli_epi16(code, 3), _mm512_set1_epi8(31));
        __m512i bit = _mm512_shuffle_epi8(bits, _mm512_and_si512(code, _mm512_set1_epi8(7)));
        _mm512_store_si512(codes + start, byte);
        _mm512_store_si512(codes + BLOCK + start, bit);
    }
}

/* Code whole groups of 64 rows, and what is left from a copy that fills its group. */
static void code_feature_avx512(const Forest *forest, const Feature *f, const double *x, int rows,
                                uint8_t *codes) {
    const int whole = rows - rows % 64;
    double rest[64] = {0};
    memcpy(rest, x + whole, (size_t)(rows - whole) * sizeof(double));
    codes += (int64_t)f->column * BLOCK;
    if (f->kind == BY_CATEGORY) {
        code_categories_avx512(forest, f, x, whole, codes);
        code_categories_avx512(forest, f, rest, rows - whole, codes + whole);
    } else {
        code_numbers_avx512(forest, f, x, whole, codes);
        code_numbers_avx512(forest, f, rest, rows - whole, codes + whole);
    }
}

#else

/* Give NaN its code, in a pass of its own: as a branch it would be mispredicted, now and then. */
static void NAME(code_missing)(const double *x, int rows, int missing, uint8_t *codes) {
    int any = 0;
    for (int i = 0; i < rows; i++) any |= x[i] != x[i];
    if (!any) return;
    for (int i = 0; i < rows; i++) {
        const int is_nan = -(x[i] != x[i]);
        codes[i] = (uint8_t)((codes[i] & ~is_nan) | (missing & is_nan));
    }
}

static INLINE void NAME(code_by_grid)(const Forest *forest, const Feature *f, const double *x,
                                      int rows, uint8_t *codes, int compares) {
    const double *thresholds = forest->thresholds + f->thresholds;
    const uint8_t *below = forest->bytes + f->bytes;
    const double low = f->low, scale = f->scale, last = f->last;
    for (int i = 0; i < rows; i++) {
        double cell = (x[i] - low) * scale;
        cell = cell > 0.0 ? cell : 0.0; /* also NaN, which code_missing codes */
        cell = cell < last ? cell : last;
        int first = below[(int32_t)cell], code = first;
        for (int k = 0; k < compares; k++) code += thresholds[first + k] < x[i];
        codes[i] = (uint8_t)code;
    }
}

static void NAME(code_by_search)(const Forest *forest, const Feature *f, const double *x, int rows,
                                 uint8_t *codes) {
    const double *thresholds = forest->thresholds + f->thresholds;
    const int widest = 1 << (f->levels - 1);
    for (int i = 0; i < rows; i++) {
        int code = 0;
        for (int half = widest; half > 0; half /= 2)
            code += thresholds[code + half - 1] < x[i] ? half : 0;
        codes[i] = (uint8_t)code;
    }
}

static void NAME(code_categories)(const Forest *forest, const Feature *f, const double *x,
                                  int rows, uint8_t *codes) {
    const uint8_t *table = forest->bytes + f->bytes;
    for (int i = 0; i < rows; i++) {
        /* Cut towards zero; what is outside the table, and then NaN, follow it. */
        int inside = x[i] > -1.0 && x[i] < f->count;
        int code = table[inside ? (int32_t)x[i] : f->count + (x[i] != x[i])];
        codes[i] = (uint8_t)(code >> 3);
        codes[BLOCK + i] = (uint8_t)(1 << (code & 7));
    }
}

static void NAME(code_feature)(const Forest *forest, const Feature *f, const double *x, int rows,
                               uint8_t *codes) {
    codes += (int64_t)f->column * BLOCK;
    if (f->kind == BY_CATEGORY) {
        NAME(code_categories)(forest, f, x, rows, codes);
        return;
    }
    if (f->kind == BY_SEARCH) NAME(code_by_search)(forest, f, x, rows, codes);
    else if (f->compares == 1) NAME(code_by_grid)(forest, f, x, rows, codes, 1);
    else if (f->compares == 2) NAME(code_by_grid)(forest, f, x, rows, codes, 2);
    else NAME(code_by_grid)(forest, f, x, rows, codes, 3);
    NAME(code_missing)(x, rows, f->missing, codes);
}

#endif

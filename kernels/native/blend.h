/* The splits of one tree on a block of rows, compiled once for each instruction set.
 *
 * Bytes is a vector register. choose takes left where code <= limit, else right; choose_set takes
 * left where the code's bit is set in 32 bytes of set. */

#if defined(__AVX512BW__)

#define Bytes __m512i
#define SPLAT(byte) _mm512_set1_epi8((char)(byte))

static inline Bytes NAME(choose)(Bytes code, Bytes limit, Bytes left, Bytes right) {
    return _mm512_mask_blend_epi8(_mm512_cmple_epu8_mask(code, limit), right, left);
}

static inline Bytes NAME(choose_set)(Bytes code, const uint8_t *set, Bytes left, Bytes right) {
    const __m128i *halves = (const __m128i *)set;
    const __m128i bits = _mm_set1_epi64x((long long)0x8040201008040201ull);
    __m512i low = _mm512_broadcast_i32x4(_mm_loadu_si128(halves));
    __m512i high = _mm512_broadcast_i32x4(_mm_loadu_si128(halves + 1));
    __m512i byte = _mm512_and_si512(_mm512_srli_epi16(code, 3), SPLAT(15));
    __m512i found = _mm512_mask_blend_epi8(_mm512_movepi8_mask(code),
                                           _mm512_shuffle_epi8(low, byte),
                                           _mm512_shuffle_epi8(high, byte));
    __m512i bit = _mm512_shuffle_epi8(_mm512_broadcast_i32x4(bits),
                                      _mm512_and_si512(code, SPLAT(7)));
    return _mm512_mask_blend_epi8(_mm512_test_epi8_mask(found, bit), right, left);
}

#elif defined(__AVX2__)

#define Bytes __m256i
#define SPLAT(byte) _mm256_set1_epi8((char)(byte))

static inline Bytes NAME(choose)(Bytes code, Bytes limit, Bytes left, Bytes right) {
    __m256i goes_left = _mm256_cmpeq_epi8(_mm256_min_epu8(code, limit), code);
    return _mm256_blendv_epi8(right, left, goes_left);
}

static inline Bytes NAME(choose_set)(Bytes code, const uint8_t *set, Bytes left, Bytes right) {
    const __m128i *halves = (const __m128i *)set;
    __m256i low = _mm256_broadcastsi128_si256(_mm_loadu_si128(halves));
    __m256i high = _mm256_broadcastsi128_si256(_mm_loadu_si128(halves + 1));
    __m256i byte = _mm256_and_si256(_mm256_srli_epi16(code, 3), SPLAT(15));
    __m256i found = _mm256_blendv_epi8(_mm256_shuffle_epi8(low, byte),
                                       _mm256_shuffle_epi8(high, byte), code);
    __m256i bits = _mm256_set1_epi64x((long long)0x8040201008040201ull);
    __m256i bit = _mm256_shuffle_epi8(bits, _mm256_and_si256(code, SPLAT(7)));
    __m256i goes_left = _mm256_cmpeq_epi8(_mm256_and_si256(found, bit), bit);
    return _mm256_blendv_epi8(right, left, goes_left);
}

#else

typedef uint8_t NAME(Vector) __attribute__((vector_size(16)));
#define Bytes NAME(Vector)
#define SPLAT(byte) ((NAME(Vector)){} + (uint8_t)(byte))

static inline Bytes NAME(choose)(Bytes code, Bytes limit, Bytes left, Bytes right) {
    Bytes goes_left = (Bytes)(code <= limit);
    return (left & goes_left) | (right & ~goes_left);
}

static inline Bytes NAME(choose_set)(Bytes code, const uint8_t *set, Bytes left, Bytes right) {
    Bytes goes_left;
    for (unsigned i = 0; i < sizeof(Bytes); i++)
        goes_left[i] = (uint8_t)(0 - ((set[code[i] >> 3] >> (code[i] & 7)) & 1));
    return (left & goes_left) | (right & ~goes_left);
}

#endif

enum { NAME(VECTORS) = BLOCK / sizeof(Bytes) };

static void NAME(evaluate)(const Forest *forest, const uint8_t *codes, uint8_t *stack,
                           uint8_t *found, int tree) {
    const Split *split = forest->splits + forest->first_split[tree];
    const Split *end = forest->splits + forest->first_split[tree + 1];
    if (split == end) memset(found, 0, BLOCK);
    uint8_t *top = stack;
    for (; split < end; split++) {
        const Bytes *code = (const Bytes *)(codes + (int64_t)split->column * BLOCK);
        const int left_step = (split->flags & LEFT_ON_STACK) != 0;
        const int right_step = (split->flags & RIGHT_ON_STACK) != 0;
        const int right_first = (split->flags & RIGHT_FIRST) != 0;
        uint8_t *under = top - (int64_t)(left_step + right_step) * BLOCK;
        const Bytes left_leaf = SPLAT(split->left), right_leaf = SPLAT(split->right);
        const Bytes *left = &left_leaf, *right = &right_leaf;
        if (left_step) left = (const Bytes *)(under + (right_step & right_first) * BLOCK);
        if (right_step) right = (const Bytes *)(under + (left_step & !right_first) * BLOCK);
        Bytes *result = (Bytes *)(split + 1 == end ? found : under);
        if (split->flags & IS_SET) {
            const uint8_t *set = forest->sets + (int64_t)split->set * 32;
            for (int v = 0; v < NAME(VECTORS); v++)
                result[v] = NAME(choose_set)(code[v], set, left[v * left_step],
                                             right[v * right_step]);
        } else {
            const Bytes limit = SPLAT(split->split);
            for (int v = 0; v < NAME(VECTORS); v++)
                result[v] = NAME(choose)(code[v], limit, left[v * left_step],
                                         right[v * right_step]);
        }
        top = under + BLOCK;
    }
}

#undef Bytes
#undef SPLAT

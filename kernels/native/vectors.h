/* A register of bytes for each instruction set, behind one set of names.
 *
 * A Mask says for each byte whether a split takes it. within: code in low .. low + width, modulo
 * 256. member: the code's bit is set in a set of 32 bytes. pick: yes where the mask, else no.
 * either: the bits of both.
 * LEVEL is the instruction set that forest.c compiles at the moment.
 */

#if LEVEL == AVX512

typedef __m512i NAME(Bytes);
typedef __mmask64 NAME(Mask);
typedef struct { __m512i low, high; } NAME(Set);
#define LOAD(address) _mm512_load_si512((const void *)(address))
#define STORE(address, bytes) _mm512_store_si512((void *)(address), bytes)
#define SPLAT(byte) _mm512_set1_epi8((char)(byte))

static INLINE NAME(Mask) NAME(within)(__m512i code, __m512i low, __m512i width) {
    return _mm512_cmple_epu8_mask(_mm512_sub_epi8(code, low), width);
}

static INLINE NAME(Set) NAME(load_set)(const uint8_t *set) {
    NAME(Set) result;
    result.low = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)set));
    result.high = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)set + 1));
    return result;
}

static INLINE NAME(Mask) NAME(member)(__m512i byte, __m512i bit, NAME(Set) set) {
    __m512i found = _mm512_shuffle_epi8(set.low, byte);
    found = _mm512_mask_shuffle_epi8(found, _mm512_test_epi8_mask(byte, SPLAT(16)), set.high, byte);
    return _mm512_test_epi8_mask(found, bit);
}

static INLINE __m512i NAME(pick)(NAME(Mask) mask, __m512i yes, __m512i no) {
    return _mm512_mask_mov_epi8(no, mask, yes);
}

static INLINE __m512i NAME(either)(__m512i a, __m512i b) { return _mm512_or_si512(a, b); }

#elif LEVEL == AVX2

typedef __m256i NAME(Bytes);
typedef __m256i NAME(Mask);
typedef struct { __m256i low, high; } NAME(Set);
#define LOAD(address) _mm256_load_si256((const __m256i *)(address))
#define STORE(address, bytes) _mm256_store_si256((__m256i *)(address), bytes)
#define SPLAT(byte) _mm256_set1_epi8((char)(byte))

static INLINE __m256i NAME(within)(__m256i code, __m256i low, __m256i width) {
    __m256i above = _mm256_sub_epi8(code, low);
    return _mm256_cmpeq_epi8(_mm256_min_epu8(above, width), above);
}

static INLINE NAME(Set) NAME(load_set)(const uint8_t *set) {
    NAME(Set) result;
    result.low = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)set));
    result.high = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)set + 1));
    return result;
}

static INLINE __m256i NAME(member)(__m256i byte, __m256i bit, NAME(Set) set) {
    /* Shifted by three, bit 4 of the byte's number becomes the sign that a blend looks at. */
    __m256i found = _mm256_blendv_epi8(_mm256_shuffle_epi8(set.low, byte),
                                       _mm256_shuffle_epi8(set.high, byte),
                                       _mm256_slli_epi16(byte, 3));
    return _mm256_cmpeq_epi8(_mm256_and_si256(found, bit), bit);
}

static INLINE __m256i NAME(pick)(__m256i mask, __m256i yes, __m256i no) {
    return _mm256_blendv_epi8(no, yes, mask);
}

static INLINE __m256i NAME(either)(__m256i a, __m256i b) { return _mm256_or_si256(a, b); }

#elif defined(HAS_SSE2)

typedef __m128i NAME(Bytes);
typedef __m128i NAME(Mask);
typedef const uint8_t *NAME(Set);
#define LOAD(address) _mm_load_si128((const __m128i *)(address))
#define STORE(address, bytes) _mm_store_si128((__m128i *)(address), bytes)
#define SPLAT(byte) _mm_set1_epi8((char)(byte))

static INLINE __m128i NAME(within)(__m128i code, __m128i low, __m128i width) {
    __m128i above = _mm_sub_epi8(code, low);
    return _mm_cmpeq_epi8(_mm_min_epu8(above, width), above);
}

static INLINE const uint8_t *NAME(load_set)(const uint8_t *set) { return set; }

static INLINE __m128i NAME(member)(__m128i byte, __m128i bit, const uint8_t *set) {
    /* SSE2 shuffles no bytes, so they are fetched one by one, and put together in two words: a
     * vector that is loaded from single stored bytes must wait for all of them. Rows behind the
     * last of a block have any codes. */
    uint8_t at[16];
    uint64_t words[2] = {0, 0};
    _mm_storeu_si128((__m128i *)at, _mm_and_si128(byte, SPLAT(SET_BYTES - 1)));
    for (int i = 0; i < 8; i++) words[0] |= (uint64_t)set[at[i]] << (8 * i);
    for (int i = 0; i < 8; i++) words[1] |= (uint64_t)set[at[8 + i]] << (8 * i);
    __m128i found = _mm_set_epi64x((long long)words[1], (long long)words[0]);
    return _mm_cmpeq_epi8(_mm_and_si128(found, bit), bit);
}

static INLINE __m128i NAME(pick)(__m128i mask, __m128i yes, __m128i no) {
    return _mm_or_si128(_mm_and_si128(mask, yes), _mm_andnot_si128(mask, no));
}

static INLINE __m128i NAME(either)(__m128i a, __m128i b) { return _mm_or_si128(a, b); }

#elif defined(HAS_NEON)

typedef uint8x16_t NAME(Bytes);
typedef uint8x16_t NAME(Mask);
typedef uint8x16x2_t NAME(Set);
#define LOAD(address) vld1q_u8((const uint8_t *)(address))
#define STORE(address, bytes) vst1q_u8((uint8_t *)(address), bytes)
#define SPLAT(byte) vdupq_n_u8(byte)

static INLINE uint8x16_t NAME(within)(uint8x16_t code, uint8x16_t low, uint8x16_t width) {
    return vcleq_u8(vsubq_u8(code, low), width);
}

static INLINE uint8x16x2_t NAME(load_set)(const uint8_t *set) { return vld1q_u8_x2(set); }

static INLINE uint8x16_t NAME(member)(uint8x16_t byte, uint8x16_t bit, uint8x16x2_t set) {
    return vtstq_u8(vqtbl2q_u8(set, byte), bit);
}

static INLINE uint8x16_t NAME(pick)(uint8x16_t mask, uint8x16_t yes, uint8x16_t no) {
    return vbslq_u8(mask, yes, no);
}

static INLINE uint8x16_t NAME(either)(uint8x16_t a, uint8x16_t b) { return vorrq_u8(a, b); }

#else

typedef struct { uint8_t at[16]; } NAME(Bytes);
typedef NAME(Bytes) NAME(Mask);
typedef const uint8_t *NAME(Set);
#define LOAD(address) (*(const NAME(Bytes) *)(address))
#define STORE(address, bytes) (*(NAME(Bytes) *)(address) = (bytes))
#define SPLAT(byte) NAME(splat)(byte)

static INLINE NAME(Bytes) NAME(splat)(uint8_t byte) {
    NAME(Bytes) result;
    for (int i = 0; i < 16; i++) result.at[i] = byte;
    return result;
}

static INLINE NAME(Mask) NAME(within)(NAME(Bytes) code, NAME(Bytes) low, NAME(Bytes) width) {
    for (int i = 0; i < 16; i++)
        code.at[i] = (uint8_t)(0 - ((uint8_t)(code.at[i] - low.at[i]) <= width.at[i]));
    return code;
}

static INLINE const uint8_t *NAME(load_set)(const uint8_t *set) { return set; }

static INLINE NAME(Mask) NAME(member)(NAME(Bytes) byte, NAME(Bytes) bit, const uint8_t *set) {
    for (int i = 0; i < 16; i++)
        byte.at[i] = (uint8_t)(0 - ((set[byte.at[i] % SET_BYTES] & bit.at[i]) != 0));
    return byte;
}

static INLINE NAME(Bytes) NAME(pick)(NAME(Mask) mask, NAME(Bytes) yes, NAME(Bytes) no) {
    for (int i = 0; i < 16; i++)
        no.at[i] = (uint8_t)((yes.at[i] & mask.at[i]) | (no.at[i] & ~mask.at[i]));
    return no;
}

static INLINE NAME(Bytes) NAME(either)(NAME(Bytes) a, NAME(Bytes) b) {
    for (int i = 0; i < 16; i++) a.at[i] |= b.at[i];
    return a;
}

#endif

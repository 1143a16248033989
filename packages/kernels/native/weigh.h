// A box blur's sums, STEP pixels at a time in words of 16 bits: (inner * near + outer * far + 2^23) >> 24, with weights in halves of
// 12 bits, as in assembly/box-blur.ts.
#include <immintrin.h>
#include <stdint.h>

#ifdef __AVX512VNNI__

#define STEP 32
typedef __m512i words;

typedef struct {
  __m512i upper, lower;
} weights;

static inline weights weights_of(uint32_t inner, uint32_t outer) {
  weights w = {
      _mm512_set1_epi32((int)((inner >> 12) | (outer >> 12 << 16))),
      _mm512_set1_epi32((int)((inner & 4095) | (outer & 4095) << 16))};
  return w;
}

static inline words load_words(const uint16_t *from) { return _mm512_loadu_si512(from); }
static inline void store_words(uint16_t *to, words pixels) { _mm512_storeu_si512(to, pixels); }
static inline words add_words(words a, words b) { return _mm512_add_epi16(a, b); }

static inline words words_of_levels(const uint8_t *from) {
  return _mm512_cvtepu8_epi16(_mm256_loadu_si256((const __m256i *)from));
}

/** Writes the first `count` of them, which may be more than there are. */
static inline void store_levels(uint8_t *to, size_t count, words pixels) {
  const __mmask32 some = count >= STEP ? ~0u : (1u << count) - 1;
  _mm256_mask_storeu_epi8(to, some, _mm512_cvtepi16_epi8(pixels));
}

static inline __m512i weigh_pairs(__m512i near_far, weights w) {
  const __m512i upper = _mm512_dpwssd_epi32(_mm512_set1_epi32(1 << 23 >> 12), near_far, w.upper);
  return _mm512_srli_epi32(_mm512_dpwssd_epi32(_mm512_slli_epi32(upper, 12), near_far, w.lower), 24);
}

static inline words weigh(words near, words far, weights w) {
  return _mm512_packus_epi32(
      weigh_pairs(_mm512_unpacklo_epi16(near, far), w), weigh_pairs(_mm512_unpackhi_epi16(near, far), w));
}

#else

#define STEP 16
typedef __m256i words;

typedef struct {
  __m256i upper, lower;
} weights;

static inline weights weights_of(uint32_t inner, uint32_t outer) {
  weights w = {
      _mm256_set1_epi32((int)((inner >> 12) | (outer >> 12 << 16))),
      _mm256_set1_epi32((int)((inner & 4095) | (outer & 4095) << 16))};
  return w;
}

static inline words load_words(const uint16_t *from) { return _mm256_loadu_si256((const __m256i *)from); }
static inline void store_words(uint16_t *to, words pixels) { _mm256_storeu_si256((__m256i *)to, pixels); }
static inline words add_words(words a, words b) { return _mm256_add_epi16(a, b); }

static inline words words_of_levels(const uint8_t *from) {
  return _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)from));
}

/** Writes the first `count` of them, which may be more than there are. */
static inline void store_levels(uint8_t *to, size_t count, words pixels) {
  const __m128i levels = _mm_packus_epi16(_mm256_castsi256_si128(pixels), _mm256_extracti128_si256(pixels, 1));
  if (count >= STEP) _mm_storeu_si128((__m128i *)to, levels);
  else __builtin_memcpy(to, &levels, count);
}

static inline __m256i weigh_pairs(__m256i near_far, weights w) {
  const __m256i upper = _mm256_slli_epi32(_mm256_madd_epi16(near_far, w.upper), 12);
  const __m256i lower = _mm256_add_epi32(_mm256_madd_epi16(near_far, w.lower), _mm256_set1_epi32(1 << 23));
  return _mm256_srli_epi32(_mm256_add_epi32(upper, lower), 24);
}

static inline words weigh(words near, words far, weights w) {
  return _mm256_packus_epi32(
      weigh_pairs(_mm256_unpacklo_epi16(near, far), w), weigh_pairs(_mm256_unpackhi_epi16(near, far), w));
}

#endif

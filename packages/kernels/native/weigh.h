// A box blur's weights, in halves of 12 bits: pairs of (near, far) words go through dot products, as in assembly/box-blur.ts.

#ifdef __AVX512VNNI__

/** Pixels that are weighed at a time. */
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

static inline words load_words(const uint8_t *from) {
  return _mm512_cvtepu8_epi16(_mm256_loadu_si256((const __m256i *)from));
}

static inline words add_words(words a, words b) { return _mm512_add_epi16(a, b); }

static inline __m512i weigh(__m512i near_far, weights w) {
  __m512i upper = _mm512_slli_epi32(_mm512_madd_epi16(near_far, w.upper), 12);
  __m512i lower = _mm512_dpwssd_epi32(_mm512_set1_epi32(1 << 23), near_far, w.lower);
  return _mm512_srli_epi32(_mm512_add_epi32(upper, lower), 24);
}

/** Writes `count` pixels, STEP at most. */
static inline void store_weighed(uint8_t *to, uint32_t count, words near, words far, weights w) {
  __m512i low = weigh(_mm512_unpacklo_epi16(near, far), w), high = weigh(_mm512_unpackhi_epi16(near, far), w);
  __m256i pixels = _mm512_cvtepi16_epi8(_mm512_packus_epi32(low, high));
  if (count >= STEP) _mm256_storeu_si256((__m256i *)to, pixels);
  else _mm256_mask_storeu_epi8(to, (1u << count) - 1, pixels);
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

static inline words load_words(const uint8_t *from) {
  return _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)from));
}

static inline words add_words(words a, words b) { return _mm256_add_epi16(a, b); }

static inline __m256i weigh(__m256i near_far, weights w) {
  __m256i upper = _mm256_slli_epi32(_mm256_madd_epi16(near_far, w.upper), 12);
  __m256i lower = _mm256_add_epi32(_mm256_madd_epi16(near_far, w.lower), _mm256_set1_epi32(1 << 23));
  return _mm256_srli_epi32(_mm256_add_epi32(upper, lower), 24);
}

/** Writes `count` pixels, STEP at most. Runs to the next multiple of 16. */
static inline void store_weighed(uint8_t *to, uint32_t count, words near, words far, weights w) {
  (void)count;
  __m256i low = weigh(_mm256_unpacklo_epi16(near, far), w), high = weigh(_mm256_unpackhi_epi16(near, far), w);
  __m256i packed = _mm256_packus_epi32(low, high);
  __m128i pixels = _mm_packus_epi16(_mm256_castsi256_si128(packed), _mm256_extracti128_si256(packed, 1));
  _mm_storeu_si128((__m128i *)to, pixels);
}

#endif

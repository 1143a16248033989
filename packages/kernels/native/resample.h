// Sixteen pixels under pairs of taps: the one thing here that compilers do not find by themselves. Each gives words
// (a0, b0), (a1, b1), ... of two times sixteen bytes to dot products with a coefficient's halves.
#include <immintrin.h>

#ifdef __AVX512VNNI__

typedef struct {
  __m512i high, low;
} sums;

static inline sums sums_begin(void) {
  sums s = {_mm512_setzero_si512(), _mm512_set1_epi32(1 << 21)};
  return s;
}

static inline void sums_add(sums *s, const uint8_t *a, const uint8_t *b, const int32_t *weights) {
  const __m512i order = _mm512_set_epi32(
      0x001f000f, 0x001e000e, 0x001d000d, 0x001c000c, 0x001b000b, 0x001a000a, 0x00190009, 0x00180008,
      0x00170007, 0x00160006, 0x00150005, 0x00140004, 0x00130003, 0x00120002, 0x00110001, 0x00100000);
  __m256i both = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)a)), _mm_loadu_si128((const __m128i *)b), 1);
  __m512i words = _mm512_maskz_permutexvar_epi8(0x5555555555555555, order, _mm512_castsi256_si512(both));
  s->high = _mm512_dpwssd_epi32(s->high, words, _mm512_set1_epi32(weights[0]));
  s->low = _mm512_dpwssd_epi32(s->low, words, _mm512_set1_epi32(weights[1]));
}

static inline __m128i sums_end(sums *s) {
  __m512i sum = _mm512_srai_epi32(_mm512_add_epi32(_mm512_slli_epi32(s->high, 11), s->low), 22);
  return _mm512_cvtusepi32_epi8(_mm512_max_epi32(sum, _mm512_setzero_si512()));
}

#else

typedef struct {
  __m256i high0, high1, low0, low1;
} sums;

static inline sums sums_begin(void) {
  const __m256i zero = _mm256_setzero_si256(), half = _mm256_set1_epi32(1 << 21);
  sums s = {zero, zero, half, half};
  return s;
}

static inline void sums_add(sums *s, const uint8_t *a, const uint8_t *b, const int32_t *weights) {
  __m128i one = _mm_loadu_si128((const __m128i *)a), two = _mm_loadu_si128((const __m128i *)b);
  __m256i left = _mm256_cvtepu8_epi16(_mm_unpacklo_epi8(one, two));
  __m256i right = _mm256_cvtepu8_epi16(_mm_unpackhi_epi8(one, two));
  __m256i high = _mm256_set1_epi32(weights[0]), low = _mm256_set1_epi32(weights[1]);
  s->high0 = _mm256_add_epi32(s->high0, _mm256_madd_epi16(left, high));
  s->high1 = _mm256_add_epi32(s->high1, _mm256_madd_epi16(right, high));
  s->low0 = _mm256_add_epi32(s->low0, _mm256_madd_epi16(left, low));
  s->low1 = _mm256_add_epi32(s->low1, _mm256_madd_epi16(right, low));
}

static inline __m128i sums_end(sums *s) {
  __m256i left = _mm256_srai_epi32(_mm256_add_epi32(_mm256_slli_epi32(s->high0, 11), s->low0), 22);
  __m256i right = _mm256_srai_epi32(_mm256_add_epi32(_mm256_slli_epi32(s->high1, 11), s->low1), 22);
  __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(left, right), 0xd8);
  return _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
}

#endif

/** A square of sixteen by sixteen bytes with rows and columns exchanged. */
static inline __attribute__((always_inline)) void transpose(__m128i *a) {
  __m128i b[16];
  // Each pass rotates the bits of (row, column) by one: after four they have changed places.
  for (int pass = 0; pass < 4; pass++) {
    for (int i = 0; i < 8; i++) {
      b[2 * i] = _mm_unpacklo_epi8(a[i], a[i + 8]);
      b[2 * i + 1] = _mm_unpackhi_epi8(a[i], a[i + 8]);
    }
    for (int i = 0; i < 16; i++) a[i] = b[i];
  }
}

/** Sixteen columns of a band into sixteen rows. */
static inline void columns_to_rows(const __m128i *columns, uint8_t *rows, size_t stride) {
  __m128i square[16];
  for (int i = 0; i < 16; i++) square[i] = _mm_loadu_si128(columns + i);
  transpose(square);
  for (int i = 0; i < 16; i++) _mm_storeu_si128((__m128i *)(rows + i * stride), square[i]);
}

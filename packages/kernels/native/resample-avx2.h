// Resize by pairs of taps: words (a0, b0), (a1, b1), ... of two times sixteen bytes go to dot products with halves of their
// coefficients, as in assembly/resample.ts.
#include "transpose.h"

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

/** Sixteen columns of a band into sixteen rows. */
static inline void columns_to_rows(const __m128i *columns, uint8_t *rows, size_t stride) {
  __m128i square[16];
  for (int i = 0; i < 16; i++) square[i] = _mm_loadu_si128(columns + i);
  transpose(square);
  for (int i = 0; i < 16; i++) _mm_storeu_si128((__m128i *)(rows + i * stride), square[i]);
}

static inline __attribute__((always_inline)) void filter_bands(
    const uint8_t *bands, size_t band_stride, uint32_t count, __m128i *line, uint8_t *rows, size_t row_stride,
    uint32_t outputs, const int32_t *bounds, const int32_t *weights, const int pairs) {
  for (; count > 0; count--, bands += band_stride, rows += 16 * row_stride) {
    const int32_t *taps = weights;
    for (uint32_t out = 0; out < outputs; out++, taps += 2 * pairs) {
      const uint8_t *at = bands + (size_t)bounds[2 * out] * 16;
      sums s = sums_begin();
      for (int pair = 0; pair < pairs; pair++) sums_add(&s, at + 32 * pair, at + 32 * pair + 16, taps + 2 * pair);
      _mm_storeu_si128(line + out, sums_end(&s));
    }
    for (uint32_t x = 0; x < outputs; x += 16) columns_to_rows(line + x, rows + x, row_stride);
  }
}

static inline __attribute__((always_inline)) void filter_rows(
    const uint8_t *rows, size_t stride, uint32_t width, uint8_t *to, uint32_t outputs, const int32_t *bounds,
    const int32_t *taps, const int pairs) {
  for (uint32_t out = 0; out < outputs; out++, to += width, taps += 2 * pairs) {
    const uint8_t *from = rows + (size_t)bounds[2 * out] * stride;
    // The last store of a row runs into the next row, which is written after it.
    for (uint32_t x = 0; x < width; x += 16) {
      const uint8_t *at = from + x;
      sums s = sums_begin();
      for (int pair = 0; pair < pairs; pair++, at += 2 * stride) sums_add(&s, at, at + stride, taps + 2 * pair);
      _mm_storeu_si128((__m128i *)(to + x), sums_end(&s));
    }
  }
}

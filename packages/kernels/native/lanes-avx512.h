// Sixty-four bytes in a register, as levels or as pixels of 32 bits.
#pragma once
#include <immintrin.h>
#include <stdint.h>

/** All of sixty-four bytes, or the first `count`. */
static inline __mmask64 first_of(uint32_t count) { return count >= 64 ? ~0ull : (1ull << count) - 1; }

/** Four bytes of each lane of sixteen, 4 * j and on, as words of 32 bits. */
static inline __m512i quarter(__m512i bytes, int j) {
  const __m512i order =
      _mm512_broadcast_i32x4(_mm_set_epi8(-1, -1, -1, 3, -1, -1, -1, 2, -1, -1, -1, 1, -1, -1, -1, 0));
  return _mm512_shuffle_epi8(bytes, _mm512_add_epi32(order, _mm512_set1_epi32(4 * j)));
}

static inline __m512 float_quarter(__m512i bytes, int j) { return _mm512_cvtepi32_ps(quarter(bytes, j)); }

/** The four quarters as bytes again, clipped to levels. */
static inline __m512i bytes_of(const __m512i *quarters) {
  return _mm512_packus_epi16(
      _mm512_packs_epi32(quarters[0], quarters[1]), _mm512_packs_epi32(quarters[2], quarters[3]));
}

/** A register of four times sixteen bytes. */
static inline __m512i load_lanes(const uint8_t *a, const uint8_t *b, const uint8_t *c, const uint8_t *d) {
  __m512i lanes = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)a));
  lanes = _mm512_inserti32x4(lanes, _mm_loadu_si128((const __m128i *)b), 1);
  lanes = _mm512_inserti32x4(lanes, _mm_loadu_si128((const __m128i *)c), 2);
  return _mm512_inserti32x4(lanes, _mm_loadu_si128((const __m128i *)d), 3);
}

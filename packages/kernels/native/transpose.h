// What bands are made of: assembly/transpose.ts.
#include <stddef.h>
#include <stdint.h>

#ifdef __AVX512VNNI__
#include "lanes-avx512.h"

/** Sixteen rows of four RGBX pixels into four columns of a band, for each channel. */
static inline void square_to_columns(const uint8_t *const *rows, size_t at, uint8_t *to, size_t plane) {
  // A row's pixels by channel.
  const __m512i split = _mm512_broadcast_i32x4(_mm_set_epi8(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0));
  // From four rows of four pixels in each lane to sixteen rows.
  const __m512i order = _mm512_set_epi32(
      0x3f3b3733, 0x2f2b2723, 0x1f1b1713, 0x0f0b0703, 0x3e3a3632, 0x2e2a2622, 0x1e1a1612, 0x0e0a0602,
      0x3d393531, 0x2d292521, 0x1d191511, 0x0d090501, 0x3c383430, 0x2c282420, 0x1c181410, 0x0c080400);
  __m512i four[4];
  for (int i = 0; i < 4; i++) {
    const __m512i lanes = load_lanes(rows[i] + at, rows[i + 4] + at, rows[i + 8] + at, rows[i + 12] + at);
    four[i] = _mm512_shuffle_epi8(lanes, split);
  }
  const __m512i rg0 = _mm512_unpacklo_epi32(four[0], four[1]), rg1 = _mm512_unpacklo_epi32(four[2], four[3]);
  const __m512i b0 = _mm512_unpackhi_epi32(four[0], four[1]), b1 = _mm512_unpackhi_epi32(four[2], four[3]);
  _mm512_storeu_si512(to, _mm512_permutexvar_epi8(order, _mm512_unpacklo_epi64(rg0, rg1)));
  _mm512_storeu_si512(to + plane, _mm512_permutexvar_epi8(order, _mm512_unpackhi_epi64(rg0, rg1)));
  _mm512_storeu_si512(to + 2 * plane, _mm512_permutexvar_epi8(order, _mm512_unpacklo_epi64(b0, b1)));
}

#else
#include <immintrin.h>

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

/** Sixteen rows of four RGBX pixels into four columns of a band, for each channel. */
static inline void square_to_columns(const uint8_t *const *rows, size_t at, uint8_t *to, size_t plane) {
  __m128i square[16];
  for (int i = 0; i < 16; i++) square[i] = _mm_loadu_si128((const __m128i *)(rows[i] + at));
  transpose(square);
  // Now a row each of a pixel's four bytes, the last of which nobody wants.
  for (int i = 0; i < 16; i++) {
    if (i % 4 < 3) _mm_storeu_si128((__m128i *)(to + (size_t)(i % 4) * plane + 16 * (size_t)(i / 4)), square[i]);
  }
}

#endif

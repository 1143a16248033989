// What bands are made of: assembly/transpose.ts.
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

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

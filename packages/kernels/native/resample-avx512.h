// Resize by groups of four taps: four bytes of each pixel, and a coefficient's three signed digits to the base 256, the highest
// first, go to dot products. Every step is exact modulo 2^32, and Pillow's sum fits 32 bits.
#include "lanes-avx512.h"
#include "transpose.h"

/** Groups that a sum takes before it moves on from digit to digit. */
#define BLOCK 4

/** Sums that grow side by side: one alone would wait for itself. */
#define SUMS 4

/**
 * SUMS times sixteen pixels under at most BLOCK groups of taps, on top of the blocks before, or of half a level for the first.
 * Dot products that do not need each other stand together: what waits fills the scheduler.
 */
static inline __attribute__((always_inline)) void weigh_block(
    int first, __m512i *sums, const __m512i pixels[SUMS][BLOCK], int groups, const int32_t *const *weights) {
  __m512i upper[SUMS];
  for (int j = 0; j < SUMS; j++) {
    upper[j] = _mm512_setzero_si512();
    if (first) sums[j] = _mm512_set1_epi32(1 << 21);
  }
  for (int digit = 0; digit < 2; digit++) {
    for (int g = 0; g < groups; g++) {
      for (int j = 0; j < SUMS; j++) {
        upper[j] = _mm512_dpbusd_epi32(upper[j], pixels[j][g], _mm512_set1_epi32(weights[j][3 * g + digit]));
        if (digit == 0) sums[j] = _mm512_dpbusd_epi32(sums[j], pixels[j][g], _mm512_set1_epi32(weights[j][3 * g + 2]));
      }
    }
    for (int j = 0; j < SUMS; j++) upper[j] = _mm512_slli_epi32(upper[j], 8);
  }
  for (int j = 0; j < SUMS; j++) sums[j] = _mm512_add_epi32(sums[j], upper[j]);
}

/** Four vectors of sixteen bytes as sixteen pixels under four taps each. */
static inline __m512i interleave(__m512i vectors) {
  const __m512i order = _mm512_set_epi32(
      0x3f2f1f0f, 0x3e2e1e0e, 0x3d2d1d0d, 0x3c2c1c0c, 0x3b2b1b0b, 0x3a2a1a0a, 0x39291909, 0x38281808,
      0x37271707, 0x36261606, 0x35251505, 0x34241404, 0x33231303, 0x32221202, 0x31211101, 0x30201000);
  return _mm512_permutexvar_epi8(order, vectors);
}

/** The levels of SUMS times sixteen pixels, whose taps are `step` bytes apart, not clipped. */
static inline __attribute__((always_inline)) void filter16(
    const uint8_t *const *from, size_t step, const int groups, const int32_t *const *weights, __m512i *sums) {
  for (int done = 0; done < groups; done += BLOCK) {
    const int some = groups - done < BLOCK ? groups - done : BLOCK;
    __m512i pixels[SUMS][BLOCK];
    const int32_t *taps[SUMS];
    for (int j = 0; j < SUMS; j++) {
      taps[j] = weights[j] + 3 * done;
      for (int g = 0; g < some; g++) {
        const uint8_t *at = from[j] + 4 * step * (size_t)(done + g);
        // Columns of a band lie one after the other.
        pixels[j][g] = interleave(
            step == 16 ? _mm512_loadu_si512(at) : load_lanes(at, at + step, at + 2 * step, at + 3 * step));
      }
    }
    weigh_block(done == 0, sums, pixels, some, taps);
  }
  for (int j = 0; j < SUMS; j++) sums[j] = _mm512_srai_epi32(sums[j], 22);
}

/** Compilers make a shuffle and a store of it, and shuffles are what is scarce here. */
#define STORE_LANE(to, vector, lane) \
  __asm__("vextracti32x4 $" #lane ", %1, %0" : "=m"(*(__m128i_u *)(to)) : "v"(vector))

/** Sixteen columns of a band, of which each register has four, into sixteen rows. */
static inline void columns_to_rows(const __m512i *columns, uint8_t *rows, size_t stride) {
  // Each lane has four columns of four rows.
  const __m512i turn = _mm512_broadcast_i32x4(_mm_set_epi8(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0));
  __m512i four[4];
  for (int i = 0; i < 4; i++) four[i] = _mm512_shuffle_epi8(columns[i], turn);
  const __m512i a = _mm512_unpacklo_epi32(four[0], four[1]), b = _mm512_unpackhi_epi32(four[0], four[1]);
  const __m512i c = _mm512_unpacklo_epi32(four[2], four[3]), d = _mm512_unpackhi_epi32(four[2], four[3]);
  const __m512i row[4] = {
      _mm512_unpacklo_epi64(a, c), _mm512_unpackhi_epi64(a, c), _mm512_unpacklo_epi64(b, d), _mm512_unpackhi_epi64(b, d)};
  for (int i = 0; i < 4; i++) {
    _mm_storeu_si128((__m128i *)(rows + (size_t)i * stride), _mm512_castsi512_si128(row[i]));
    STORE_LANE(rows + (size_t)(i + 4) * stride, row[i], 1);
    STORE_LANE(rows + (size_t)(i + 8) * stride, row[i], 2);
    STORE_LANE(rows + (size_t)(i + 12) * stride, row[i], 3);
  }
}

/** One or two bands at once, which share what is loaded of the weights. */
static inline __attribute__((always_inline)) void filter_some_bands(
    const uint8_t *bands, size_t band_stride, const int count, uint8_t *rows, size_t row_stride, uint32_t outputs,
    const int32_t *bounds, const int32_t *weights, const int groups) {
  __m512i columns[2][4] = {0};
  for (uint32_t x = 0; x < outputs; x += 4) {
    __m512i levels[2][4];
    for (int i = 0; i < 4; i += SUMS / count) {
      const uint8_t *from[SUMS];
      const int32_t *taps[SUMS];
      __m512i sums[SUMS] = {0};
      for (int j = 0; j < SUMS; j++) {
        const uint32_t wanted = x + (uint32_t)(i + j / count), out = wanted < outputs ? wanted : outputs - 1;
        from[j] = bands + (size_t)bounds[2 * out] * 16 + (size_t)(j % count) * band_stride;
        taps[j] = weights + (size_t)(3 * groups) * out;
      }
      filter16(from, 16, groups, taps, sums);
      for (int j = 0; j < SUMS; j++) levels[j % count][i + j / count] = sums[j];
    }
    const uint32_t four = x / 4 % 4;
    for (int band = 0; band < count; band++) columns[band][four] = bytes_of(levels[band]);
    if (four < 3 && x + 4 < outputs) continue;
    for (int band = 0; band < count; band++) {
      columns_to_rows(columns[band], rows + 16 * row_stride * (size_t)band + x / 16 * 16, row_stride);
    }
  }
}

static inline __attribute__((always_inline)) void filter_bands(
    const uint8_t *bands, size_t band_stride, uint32_t count, __m128i *line, uint8_t *rows, size_t row_stride,
    uint32_t outputs, const int32_t *bounds, const int32_t *weights, const int groups) {
  (void)line;
  for (; count > 1; count -= 2, bands += 2 * band_stride, rows += 32 * row_stride) {
    filter_some_bands(bands, band_stride, 2, rows, row_stride, outputs, bounds, weights, groups);
  }
  if (count > 0) filter_some_bands(bands, band_stride, 1, rows, row_stride, outputs, bounds, weights, groups);
}

/** Sixty-four pixels of neighbouring columns. */
static inline __attribute__((always_inline)) __m512i filter64(
    const uint8_t *from, size_t stride, const int groups, const int32_t *weights) {
  __m512i sums[SUMS] = {0};
  for (int done = 0; done < groups; done += BLOCK) {
    const int some = groups - done < BLOCK ? groups - done : BLOCK;
    __m512i pixels[SUMS][BLOCK];
    for (int g = 0; g < some; g++, from += 4 * stride) {
      const __m512i a = _mm512_loadu_si512(from), b = _mm512_loadu_si512(from + stride);
      const __m512i c = _mm512_loadu_si512(from + 2 * stride), d = _mm512_loadu_si512(from + 3 * stride);
      const __m512i ab0 = _mm512_unpacklo_epi8(a, b), ab1 = _mm512_unpackhi_epi8(a, b);
      const __m512i cd0 = _mm512_unpacklo_epi8(c, d), cd1 = _mm512_unpackhi_epi8(c, d);
      pixels[0][g] = _mm512_unpacklo_epi16(ab0, cd0);
      pixels[1][g] = _mm512_unpackhi_epi16(ab0, cd0);
      pixels[2][g] = _mm512_unpacklo_epi16(ab1, cd1);
      pixels[3][g] = _mm512_unpackhi_epi16(ab1, cd1);
    }
    const int32_t *const same = weights + 3 * done, *const taps[SUMS] = {same, same, same, same};
    weigh_block(done == 0, sums, pixels, some, taps);
  }
  for (int j = 0; j < SUMS; j++) sums[j] = _mm512_srai_epi32(sums[j], 22);
  return bytes_of(sums);
}

static inline __attribute__((always_inline)) void filter_rows(
    const uint8_t *rows, size_t stride, uint32_t width, uint8_t *to, uint32_t outputs, const int32_t *bounds,
    const int32_t *weights, const int groups) {
  const uint32_t whole = width / 64 * 64;
  for (uint32_t out = 0; out < outputs; out++) {
    const uint8_t *from = rows + (size_t)bounds[2 * out] * stride;
    const int32_t *taps = weights + (size_t)(3 * groups) * out;
    uint8_t *row = to + (size_t)out * width;
    for (uint32_t x = 0; x < whole; x += 64) _mm512_storeu_si512(row + x, filter64(from + x, stride, groups, taps));
  }
  // The columns that are left, of several rows at once.
  for (uint32_t x = whole; x < width; x += 16) {
    const __mmask16 some = (__mmask16)first_of(width - x);
    for (uint32_t out = 0; out < outputs; out += SUMS) {
      const uint8_t *from[SUMS];
      const int32_t *taps[SUMS];
      __m512i sums[SUMS] = {0};
      for (uint32_t j = 0; j < SUMS; j++) {
        const uint32_t one = out + j < outputs ? out + j : outputs - 1;
        from[j] = rows + (size_t)bounds[2 * one] * stride + x;
        taps[j] = weights + (size_t)(3 * groups) * one;
      }
      filter16(from, stride, groups, taps, sums);
      for (uint32_t j = 0; j < SUMS && out + j < outputs; j++) {
        const __m128i levels = _mm512_cvtusepi32_epi8(_mm512_max_epi32(sums[j], _mm512_setzero_si512()));
        _mm_mask_storeu_epi8(to + (size_t)(out + j) * width + x, some, levels);
      }
    }
  }
}

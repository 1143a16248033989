// Colour for AVX-512, sixty-four pixels at a time. Levels are bytes, arithmetic is in floats: `quarter` and `bytes_of` go
// between a register of bytes and four of 32 bits. Divisions are by Newton's method: exact, as scripts/prove-hue.mjs shows.
#include "table-avx512.h"

/** The luma's quarters: weights of 16 bits in two halves, that of green, which is too large, over two bytes. */
static inline __attribute__((always_inline)) void lumas(__m512i r, __m512i g, __m512i b, __m512i *quarters) {
  const __m512i rb[2] = {_mm512_unpacklo_epi8(r, b), _mm512_unpackhi_epi8(r, b)};
  const __m512i gg[2] = {_mm512_unpacklo_epi8(g, g), _mm512_unpackhi_epi8(g, g)};
  // 19595 = 77 * 256 - 117, 7471 = 29 * 256 + 47, 38470 / 2 = 75 * 256 + 35.
  const __m512i high = _mm512_set1_epi32(77 | 29 << 8 | 75 << 16 | 75 << 24);
  const __m512i low = _mm512_set1_epi32((-117 & 255) | 47 << 8 | 35 << 16 | 35 << 24);
  for (int j = 0; j < 4; j++) {
    const __m512i pixels =
        j & 1 ? _mm512_unpackhi_epi16(rb[j >> 1], gg[j >> 1]) : _mm512_unpacklo_epi16(rb[j >> 1], gg[j >> 1]);
    const __m512i upper = _mm512_slli_epi32(_mm512_dpbusd_epi32(_mm512_set1_epi32(32768 >> 8), pixels, high), 8);
    quarters[j] = _mm512_srli_epi32(_mm512_dpbusd_epi32(upper, pixels, low), 16);
  }
}

static inline __attribute__((always_inline)) uint64_t luma_sum(const uint8_t *r, const uint8_t *g, const uint8_t *b, uint32_t count) {
  uint64_t sum = 0;
  // No lane overflows within so many.
  for (uint32_t i = 0; i < count;) {
    const uint32_t end = count - i > 1 << 20 ? i + (1 << 20) : count;
    __m512i part = _mm512_setzero_si512();
    for (; i < end; i += 64) {
      const __mmask64 some = first_of(end - i);
      __m512i grey[4];
      lumas(
          _mm512_maskz_loadu_epi8(some, r + i), _mm512_maskz_loadu_epi8(some, g + i),
          _mm512_maskz_loadu_epi8(some, b + i), grey);
      for (int j = 0; j < 4; j++) part = _mm512_add_epi32(part, grey[j]);
    }
    // Black pixels beyond the last add nothing.
    i = end;
    sum += (uint32_t)_mm512_reduce_add_epi32(part);
  }
  return sum;
}

static inline __attribute__((always_inline)) void saturate(uint8_t *r, uint8_t *g, uint8_t *b, uint32_t count, float factor) {
  uint8_t *const channels[3] = {r, g, b};
  const __m512 alpha = _mm512_set1_ps(factor);
  for (uint32_t i = 0; i < count; i += 64) {
    const __mmask64 some = first_of(count - i);
    __m512i levels[3], grey[4], blended[4];
    for (int c = 0; c < 3; c++) levels[c] = _mm512_maskz_loadu_epi8(some, channels[c] + i);
    lumas(levels[0], levels[1], levels[2], grey);
    for (int c = 0; c < 3; c++) {
      for (int j = 0; j < 4; j++) {
        const __m512 from = _mm512_cvtepi32_ps(grey[j]);
        const __m512 difference = _mm512_sub_ps(float_quarter(levels[c], j), from);
        blended[j] = _mm512_cvttps_epi32(_mm512_add_ps(from, _mm512_mul_ps(alpha, difference)));
      }
      _mm512_mask_storeu_epi8(channels[c] + i, some, bytes_of(blended));
    }
  }
}

static inline __attribute__((always_inline)) void make_grey(uint8_t *r, uint8_t *g, uint8_t *b, uint32_t count) {
  for (uint32_t i = 0; i < count; i += 64) {
    const __mmask64 some = first_of(count - i);
    __m512i quarters[4];
    lumas(
        _mm512_maskz_loadu_epi8(some, r + i), _mm512_maskz_loadu_epi8(some, g + i), _mm512_maskz_loadu_epi8(some, b + i),
        quarters);
    const __m512i grey = bytes_of(quarters);
    _mm512_mask_storeu_epi8(r + i, some, grey);
    _mm512_mask_storeu_epi8(g + i, some, grey);
    _mm512_mask_storeu_epi8(b + i, some, grey);
  }
}

/** By hue, as the way back from HSV needs them: how far the middle channel lies from the highest, in levels at full
 * saturation, and which channel is what: from the top bit on whether red is the lowest, red the middle one, green, blue. */
typedef struct {
  level_table distance, roles;
} sextants;

/** Those of hues that are `shift` further on. */
static inline sextants sextants_of(int shift) {
  static const uint8_t ROLES[6] = {0x18, 0x48, 0x84, 0x90, 0x60, 0x24};
  uint8_t distance[256], roles[256];
  for (int from = 0; from < 256; from++) {
    const int turned = (from + shift) & 255, hue = turned == 255 ? 0 : turned;
    const int sextant = (hue > 42) + (hue > 84) + (hue > 127) + (hue > 169) + (hue > 212);
    // It falls from a sextant's start to its end or the other way about: a triangular wave of 6h.
    const int slope = 6 * hue - 255 - 510 * (sextant >> 1);
    distance[from] = (uint8_t)(slope < 0 ? -slope : slope);
    roles[from] = ROLES[sextant];
  }
  sextants found = {load_table(distance), load_table(roles)};
  return found;
}

static inline __attribute__((always_inline)) void turn_hues(uint8_t *reds, uint8_t *greens, uint8_t *blues, uint32_t count, int shift) {
  const sextants turned = sextants_of(shift);
  // A hue is base + sign * numerator / chroma, by its primary and the side of it: six of them, the side in the last bit.
  const __m512 bases = _mm512_setr_ps(1, -1, 3, 1, 5, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
  const __m512 signs = _mm512_setr_ps(-1, 1, -1, 1, -1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
  const __m512 one = _mm512_set1_ps(1), six = _mm512_set1_ps(6), sixth = _mm512_set1_ps(1.0f / 6);
  for (uint32_t i = 0; i < count; i += 64) {
    const __mmask64 some = first_of(count - i);
    const __m512i r = _mm512_maskz_loadu_epi8(some, reds + i);
    const __m512i g = _mm512_maskz_loadu_epi8(some, greens + i);
    const __m512i b = _mm512_maskz_loadu_epi8(some, blues + i);
    const __m512i less = _mm512_min_epu8(r, g), more = _mm512_max_epu8(r, g);
    const __m512i value = _mm512_max_epu8(more, b);
    const __m512i chroma = _mm512_sub_epi8(value, _mm512_min_epu8(less, b));
    const __m512i numerator = _mm512_sub_epi8(value, _mm512_max_epu8(less, _mm512_min_epu8(more, b)));
    __m512i side = _mm512_mask_blend_epi8(_mm512_cmpgt_epu8_mask(r, g), _mm512_set1_epi8(5), _mm512_set1_epi8(4));
    const __m512i green = _mm512_mask_blend_epi8(_mm512_cmpgt_epu8_mask(b, r), _mm512_set1_epi8(3), _mm512_set1_epi8(2));
    side = _mm512_mask_mov_epi8(side, _mm512_cmpeq_epi8_mask(g, value), green);
    const __m512i red = _mm512_maskz_set1_epi8(_mm512_cmpgt_epu8_mask(b, g), 1);
    side = _mm512_mask_mov_epi8(side, _mm512_cmpeq_epi8_mask(r, value), red);
    // Greys have no hue and no saturation: any divisor but zero will do, for they are kept below.
    const __mmask64 coloured = _mm512_test_epi8_mask(chroma, chroma);
    const __m512i divisor = _mm512_max_epu8(chroma, _mm512_set1_epi8(1)), whole = _mm512_max_epu8(value, _mm512_set1_epi8(1));

    __m512i hues[4], lows[4], middles[4];
    __m512 products[4];
    for (int j = 0; j < 4; j++) {
      const __m512 n = float_quarter(numerator, j), c = float_quarter(divisor, j), v = float_quarter(whole, j);
      const __m512i sides = quarter(side, j);
      // One reciprocal for both divisors, to 24 bits or so.
      const __m512 both = _mm512_mul_ps(c, v), about = _mm512_rcp14_ps(both);
      const __m512 reciprocal = _mm512_fmadd_ps(_mm512_fnmadd_ps(both, about, one), about, about);
      const __m512 by_chroma = _mm512_mul_ps(reciprocal, v), by_value = _mm512_mul_ps(reciprocal, c);
      // Rounded as a division is.
      const __m512 near = _mm512_mul_ps(n, by_chroma);
      const __m512 quotient = _mm512_fmadd_ps(_mm512_fnmadd_ps(c, near, n), by_chroma, near);
      const __m512 hue = _mm512_fmadd_ps(quotient, _mm512_permutexvar_ps(sides, signs), _mm512_permutexvar_ps(sides, bases));
      const __m512 nearly = _mm512_mul_ps(hue, sixth);
      __m512 turn = _mm512_fmadd_ps(_mm512_fnmadd_ps(nearly, six, hue), sixth, nearly);
      turn = _mm512_mask_add_ps(turn, _mm512_movepi32_mask(_mm512_castps_si512(hue)), turn, one);
      hues[j] = _mm512_cvttps_epi32(_mm512_mul_ps(turn, _mm512_set1_ps(255)));
      // chroma / value * 255, rounded down: further from the next whole one than the errors, so they are made up for.
      const __m512 grown = _mm512_fmadd_ps(_mm512_mul_ps(c, by_value), _mm512_set1_ps(255), _mm512_set1_ps(1.0f / 512));
      products[j] = _mm512_mul_ps(v, _mm512_cvtepi32_ps(_mm512_cvttps_epi32(grown)));
      lows[j] = _mm512_cvttps_epi32(_mm512_fmadd_ps(products[j], _mm512_set1_ps(1.0f / 255), _mm512_set1_ps(0.5f)));
    }
    const __m512i hue = bytes_of(hues), distance = look_up(&turned.distance, hue);
    for (int j = 0; j < 4; j++) {
      const __m512 scaled = _mm512_fmadd_ps(products[j], float_quarter(distance, j), _mm512_set1_ps(32512));
      middles[j] = _mm512_cvttps_epi32(_mm512_mul_ps(scaled, _mm512_set1_ps(1.0f / 65025)));
    }
    const __m512i low = _mm512_mask_sub_epi8(value, coloured, value, bytes_of(lows));
    const __m512i middle = _mm512_mask_sub_epi8(value, coloured, value, bytes_of(middles));
    __m512i roles = look_up(&turned.roles, hue);
    uint8_t *const channels[3] = {reds + i, greens + i, blues + i};
    for (int channel = 0; channel < 3; channel++) {
      const __mmask64 lowest = _mm512_movepi8_mask(roles);
      roles = _mm512_add_epi8(roles, roles);
      const __m512i higher = _mm512_mask_mov_epi8(value, _mm512_movepi8_mask(roles), middle);
      roles = _mm512_add_epi8(roles, roles);
      _mm512_mask_storeu_epi8(channels[channel], some, _mm512_mask_mov_epi8(higher, lowest, low));
    }
  }
}

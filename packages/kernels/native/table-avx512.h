// Tables of 256 entries, looked up for sixty-four levels at once, byte by byte of the entries.
#pragma once
#include "lanes-avx512.h"

/** What 256 levels become. */
typedef struct {
  __m512i part[4];
} level_table;

static inline level_table load_table(const uint8_t *levels) {
  level_table table;
  for (int i = 0; i < 4; i++) table.part[i] = _mm512_loadu_si512(levels + 64 * i);
  return table;
}

static inline __m512i look_up(const level_table *table, __m512i levels) {
  const __m512i dark = _mm512_permutex2var_epi8(table->part[0], levels, table->part[1]);
  const __m512i light = _mm512_permutex2var_epi8(table->part[2], levels, table->part[3]);
  return _mm512_mask_blend_epi8(_mm512_movepi8_mask(levels), dark, light);
}

/** One byte of each entry of a table of 32-bit ones. */
static inline level_table load_byte(const uint32_t *entries, int byte) {
  uint8_t bytes[256];
  for (int i = 0; i < 256; i++) bytes[i] = (uint8_t)(entries[i] >> (8 * byte));
  return load_table(bytes);
}

/** Entries of 32 bits for whole sixty-fours of levels; how many levels those were. */
static inline uint32_t look_up_words(const uint8_t *from, uint32_t count, const uint32_t *entries, uint32_t *to) {
  const level_table bytes[4] = {
      load_byte(entries, 0), load_byte(entries, 1), load_byte(entries, 2), load_byte(entries, 3)};
  // So that interleaving, which stays within lanes, ends with neighbours side by side.
  const __m512i order = _mm512_set_epi32(
      0x3f3e3d3c, 0x2f2e2d2c, 0x1f1e1d1c, 0x0f0e0d0c, 0x3b3a3938, 0x2b2a2928, 0x1b1a1918, 0x0b0a0908,
      0x37363534, 0x27262524, 0x17161514, 0x07060504, 0x33323130, 0x23222120, 0x13121110, 0x03020100);
  uint32_t i = 0;
  for (; i + 64 <= count; i += 64) {
    const __m512i levels = _mm512_permutexvar_epi8(order, _mm512_loadu_si512(from + i));
    const __m512i a = look_up(&bytes[0], levels), b = look_up(&bytes[1], levels);
    const __m512i c = look_up(&bytes[2], levels), d = look_up(&bytes[3], levels);
    const __m512i ab0 = _mm512_unpacklo_epi8(a, b), ab1 = _mm512_unpackhi_epi8(a, b);
    const __m512i cd0 = _mm512_unpacklo_epi8(c, d), cd1 = _mm512_unpackhi_epi8(c, d);
    _mm512_storeu_si512(to + i, _mm512_unpacklo_epi16(ab0, cd0));
    _mm512_storeu_si512(to + i + 16, _mm512_unpackhi_epi16(ab0, cd0));
    _mm512_storeu_si512(to + i + 32, _mm512_unpacklo_epi16(ab1, cd1));
    _mm512_storeu_si512(to + i + 48, _mm512_unpackhi_epi16(ab1, cd1));
  }
  return i;
}

/** The lower 16 bits of entries, likewise. */
static inline uint32_t look_up_halves(const uint8_t *from, uint32_t count, const uint32_t *entries, uint16_t *to) {
  const level_table lower = load_byte(entries, 0), upper = load_byte(entries, 1);
  const __m512i order = _mm512_set_epi64(
      0x3f3e3d3c3b3a3938, 0x1f1e1d1c1b1a1918, 0x3736353433323130, 0x1716151413121110,
      0x2f2e2d2c2b2a2928, 0x0f0e0d0c0b0a0908, 0x2726252423222120, 0x0706050403020100);
  uint32_t i = 0;
  for (; i + 64 <= count; i += 64) {
    const __m512i levels = _mm512_permutexvar_epi8(order, _mm512_loadu_si512(from + i));
    const __m512i a = look_up(&lower, levels), b = look_up(&upper, levels);
    _mm512_storeu_si512(to + i, _mm512_unpacklo_epi8(a, b));
    _mm512_storeu_si512(to + i + 32, _mm512_unpackhi_epi8(a, b));
  }
  return i;
}

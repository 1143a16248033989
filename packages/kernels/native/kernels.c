// The kernels of ../assembly that take the most time, for processors with wider vectors than WebAssembly has. Same names,
// same arguments and same results, bit for bit; they work on the same memory, whose first byte is `memory`. Nothing here
// allocates or checks a bound. Compiled once for each LEVEL (../scripts/build-native.mjs); floats must not be contracted.
#include <stddef.h>
#include <stdint.h>

#include "resample.h"
#include "weigh.h"

#define JOIN(name, level) name##_##level
#define NAMED(name, level) JOIN(name, level)
#define KERNEL(name) __attribute__((visibility("default"))) NAMED(name, LEVEL)

static inline int min(int a, int b) { return a < b ? a : b; }
static inline int max(int a, int b) { return a > b ? a : b; }
/** By a mask of all ones or none. */
static inline int pick(int mask, int one, int other) { return (one & mask) | (other & ~mask); }
static inline uint8_t level_of(int value) { return (uint8_t)min(max(value, 0), 255); }

/** A band of an RGBX image, as assembly/transpose.ts has it: rows from `rows` on repeat the last. */
void KERNEL(bandFromRgbx)(
    uint8_t *memory, uint32_t from, uint32_t stride, uint32_t width, uint32_t rows, uint32_t to, uint32_t plane) {
  for (uint32_t x = 0; x < width; x += 4) {
    __m128i square[16];
    for (int i = 0; i < 16; i++) {
      const size_t row = (size_t)min(i, (int)rows - 1) * stride;
      square[i] = _mm_loadu_si128((const __m128i *)(memory + from + row + 4 * x));
    }
    transpose(square);
    // Now a row each of a pixel's four bytes, the last of which nobody wants.
    for (int i = 0; i < 16; i++) {
      if (i % 4 == 3) continue;
      _mm_storeu_si128((__m128i *)(memory + to + (size_t)(i % 4) * plane + 16 * (x + (size_t)(i / 4))), square[i]);
    }
  }
}

// As assembly/resample.ts has it: the taps of an output are (first input, pairs), then a pair's [high, low]. Loops over
// pairs are compiled for each usual number of them.
#define FOR_PAIRS(pairs, call) \
  switch (pairs) { \
    case 2: call(2); break; \
    case 3: call(3); break; \
    case 4: call(4); break; \
    case 5: call(5); break; \
    case 6: call(6); break; \
    case 7: call(7); break; \
    default: call(pairs); \
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

void KERNEL(horizontal)(
    uint8_t *memory, uint32_t bands, uint32_t band_stride, uint32_t count, uint32_t line, uint32_t rows,
    uint32_t row_stride, uint32_t outputs, uint32_t bounds, uint32_t weights) {
  const int32_t *bound = (const int32_t *)(memory + bounds), *taps = (const int32_t *)(memory + weights);
#define CALL(pairs) \
  filter_bands( \
      memory + bands, band_stride, count, (__m128i *)(memory + line), memory + rows, row_stride, outputs, bound, taps, pairs)
  FOR_PAIRS(bound[1], CALL)
#undef CALL
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

void KERNEL(vertical)(
    uint8_t *memory, uint32_t rows, uint32_t row_stride, uint32_t width, uint32_t to, uint32_t outputs, uint32_t bounds,
    uint32_t weights) {
  const int32_t *bound = (const int32_t *)(memory + bounds), *taps = (const int32_t *)(memory + weights);
#define CALL(pairs) filter_rows(memory + rows, row_stride, width, memory + to, outputs, bound, taps, pairs)
  FOR_PAIRS(bound[1], CALL)
#undef CALL
}

// Colour: assembly/color.ts and assembly/hue.ts. A negative value is clipped, so truncating it is as good as its floor. ----

static inline uint8_t blend(int degenerate, int value, float factor) {
  return level_of((int)((float)degenerate + factor * (float)(value - degenerate)));
}

static inline int luma(int r, int g, int b) { return (19595 * r + 38470 * g + 7471 * b + 32768) >> 16; }

void KERNEL(blendConstant)(uint8_t *memory, uint32_t at, uint32_t count, int32_t degenerate, float factor) {
  uint8_t *pixels = memory + at;
  uint32_t i = 0;
#ifdef __AVX512VBMI__
  // Through a table of what each level becomes: sixty-four at once.
  uint8_t table[256];
  for (int level = 0; level < 256; level++) table[level] = blend(degenerate, level, factor);
  const __m512i t0 = _mm512_loadu_si512(table), t1 = _mm512_loadu_si512(table + 64);
  const __m512i t2 = _mm512_loadu_si512(table + 128), t3 = _mm512_loadu_si512(table + 192);
  for (; i + 64 <= count; i += 64) {
    __m512i levels = _mm512_loadu_si512(pixels + i);
    __m512i dark = _mm512_permutex2var_epi8(t0, levels, t1), light = _mm512_permutex2var_epi8(t2, levels, t3);
    _mm512_storeu_si512(pixels + i, _mm512_mask_blend_epi8(_mm512_movepi8_mask(levels), dark, light));
  }
#endif
  for (; i < count; i++) pixels[i] = blend(degenerate, pixels[i], factor);
}

double KERNEL(lumaSum)(const uint8_t *memory, uint32_t at, uint32_t plane, uint32_t count) {
  const uint8_t *r = memory + at, *g = r + plane, *b = g + plane;
  uint64_t sum = 0;
  // No sum of so many overflows its lane.
  for (uint32_t i = 0; i < count;) {
    const uint32_t end = count - i > 1 << 20 ? i + (1 << 20) : count;
    uint32_t part = 0;
    for (; i < end; i++) part += (uint32_t)luma(r[i], g[i], b[i]);
    sum += part;
  }
  return (double)sum;
}

void KERNEL(saturation)(uint8_t *memory, uint32_t at, uint32_t plane, uint32_t count, float factor) {
  uint8_t *restrict r = memory + at, *restrict g = r + plane, *restrict b = g + plane;
  for (uint32_t i = 0; i < count; i++) {
    const int grey = luma(r[i], g[i], b[i]);
    r[i] = blend(grey, r[i], factor);
    g[i] = blend(grey, g[i], factor);
    b[i] = blend(grey, b[i], factor);
  }
}

void KERNEL(hue)(uint8_t *memory, uint32_t at, uint32_t plane, uint32_t count, int32_t shift) {
  uint8_t *restrict reds = memory + at, *restrict greens = reds + plane, *restrict blues = greens + plane;
  for (uint32_t i = 0; i < count; i++) {
    const int r = reds[i], g = greens[i], b = blues[i];
    const int less = min(r, g), more = max(r, g);
    const int value = max(more, b), chroma = value - min(less, b);
    const int numerator = value - max(less, min(more, b));
    const int is_red = -(r == value), is_green = ~is_red & -(g == value);
    const int minus = pick(is_red, -(g >= b), pick(is_green, -(b > r), -(r > g)));
    const int base = pick(is_red, 0, pick(is_green, 2, 4)) - 1 - 2 * minus;
    const float turned = (float)base + (float)((numerator ^ minus) - minus) / (float)max(chroma, 1);
    const float turn = turned / 6.0f + (turned < 0 ? 1.0f : 0.0f);
    const int saturation = (int)((float)chroma / (float)max(value, 1) * 255.0f);
    const int hue = ((int)(turn * 255.0f) + shift) & 255;

    const int h = hue & ~-(hue == 255);
    const int from1 = -(h > 42), from2 = -(h > 84), from3 = -(h > 127), from4 = -(h > 169), from5 = -(h > 212);
    // The middle channel falls from a sextant's start to its end or the other way about: a triangular wave of 6h.
    const int slope = 6 * h - 255 - ((from2 & 510) + (from4 & 510));
    const int distance = max(slope, -slope);
    const int product = value * saturation;
    const int rounded = product + 128;
    const int low = value - ((rounded + (rounded >> 8)) >> 8);
    const int middle = value - (int)(((float)product * (float)distance + 32512.0f) * (1.0f / 65025.0f));
    reds[i] = (uint8_t)pick(from2 ^ from4, low, pick(from1 ^ from2 ^ from4 ^ from5, middle, value));
    greens[i] = (uint8_t)pick(from4, low, pick(from1 ^ from3, value, middle));
    blues[i] = (uint8_t)pick(from2, pick(from3 ^ from5, value, middle), low);
  }
}

// Box blur with radius 0 or 1: assembly/box-blur.ts. ----------------------------------------------------------------------

/** One line of a pass; `far0` to `far1` are those of its neighbours, of which radius 0 has no near ones. */
static inline __attribute__((always_inline)) void line(
    const uint8_t *centre, const uint8_t *far0, const uint8_t *near0, const uint8_t *near1, const uint8_t *far1,
    uint8_t *to, uint32_t count, int wide, weights w) {
  for (uint32_t x = 0; x < count; x += STEP) {
    words near = load_words(centre + x);
    if (wide) near = add_words(near, add_words(load_words(near0 + x), load_words(near1 + x)));
    words far = add_words(load_words(far0 + x), load_words(far1 + x));
    store_weighed(to + x, count - x, near, far, w);
  }
}

static inline __attribute__((always_inline)) void row_pass(
    uint8_t *from, uint8_t *to, uint32_t count, int wide, weights w) {
  // Its ends are repeated on either side, as far as the box reaches.
  from[-1] = from[-2] = from[0];
  from[count] = from[count + 1] = from[count - 1];
  if (wide) line(from, from - 2, from - 1, from + 1, from + 2, to, count, 1, w);
  else line(from, from - 1, from, from, from + 1, to, count, 0, w);
}

/** Rows that go through a pass before the first goes through the next: what was just stored is slow to load askew. */
#define ROWS 4

static inline __attribute__((always_inline)) void blur_rows(
    const uint8_t *from, uint8_t *to, uint32_t width, uint32_t height, int wide, weights w, uint8_t *lines) {
  const size_t pitch = (width + 128) & ~63u;
  uint8_t *one = lines + 64, *two = one + ROWS * pitch;
  for (uint32_t y = 0; y < height; y += ROWS) {
    const uint32_t rows = height - y < ROWS ? height - y : ROWS;
    for (uint32_t i = 0; i < rows; i++) __builtin_memcpy(one + i * pitch, from + (size_t)(y + i) * width, width);
    for (uint32_t i = 0; i < rows; i++) row_pass(one + i * pitch, two + i * pitch, width, wide, w);
    for (uint32_t i = 0; i < rows; i++) row_pass(two + i * pitch, one + i * pitch, width, wide, w);
    // The last store of a row may run into the next row, which is written after it.
    for (uint32_t i = 0; i < rows; i++) row_pass(one + i * pitch, to + (size_t)(y + i) * width, width, wide, w);
  }
}

void KERNEL(smallRows)(
    uint8_t *memory, uint32_t from, uint32_t to, uint32_t width, uint32_t height, int32_t wide, uint32_t inner,
    uint32_t outer, uint32_t lines) {
  weights w = weights_of(inner, outer);
  if (wide) blur_rows(memory + from, memory + to, width, height, 1, w, memory + lines);
  else blur_rows(memory + from, memory + to, width, height, 0, w, memory + lines);
}

void KERNEL(smallColumns)(
    uint8_t *memory, uint32_t from, uint32_t to, uint32_t width, uint32_t height, int32_t wide, uint32_t inner,
    uint32_t outer) {
  const uint8_t *first = memory + from, *last = first + (size_t)(height - 1) * width;
  uint8_t *target = memory + to;
  weights w = weights_of(inner, outer);
  for (const uint8_t *at = first; at <= last; at += width, target += width) {
    const uint8_t *above = at > first ? at - width : first, *below = at < last ? at + width : last;
    if (wide) {
      const uint8_t *above2 = above > first ? above - width : first, *below2 = below < last ? below + width : last;
      line(at, above2, above, below, below2, target, width, 1, w);
    } else {
      line(at, above, at, at, below, target, width, 0, w);
    }
  }
}

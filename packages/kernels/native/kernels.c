// The kernels of ../assembly that take the most time, for processors with wider vectors than WebAssembly has. Same names,
// same arguments and same results, bit for bit; they work on the same memory, whose first byte is `memory`. Nothing here
// allocates or checks a bound. Compiled once for each LEVEL (../scripts/build-native.mjs); floats must not be contracted.
#include <stddef.h>
#include <stdint.h>

#ifdef __AVX512VNNI__
#include "color-avx512.h"
#include "resample-avx512.h"
#else
#include "resample-avx2.h"
#endif
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
  const uint8_t *row[16];
  for (int i = 0; i < 16; i++) row[i] = memory + from + (size_t)min(i, (int)rows - 1) * stride;
  for (uint32_t x = 0; x < width; x += 4) square_to_columns(row, 4 * x, memory + to + 16 * x, plane);
}

// Taps of an output are its first input and how many groups of them it has, the same for all; then each group's weights. Loops
// over groups are compiled for each usual number of them.
#define FOR_GROUPS(groups, call) \
  switch (groups) { \
    case 1: call(1); break; \
    case 2: call(2); break; \
    case 3: call(3); break; \
    case 4: call(4); break; \
    case 5: call(5); break; \
    case 6: call(6); break; \
    case 7: call(7); break; \
    default: call(groups); \
  }

void KERNEL(horizontal)(
    uint8_t *memory, uint32_t bands, uint32_t band_stride, uint32_t count, uint32_t line, uint32_t rows,
    uint32_t row_stride, uint32_t outputs, uint32_t bounds, uint32_t weights) {
  const int32_t *bound = (const int32_t *)(memory + bounds), *taps = (const int32_t *)(memory + weights);
#define CALL(groups) \
  filter_bands( \
      memory + bands, band_stride, count, (__m128i *)(memory + line), memory + rows, row_stride, outputs, bound, taps, groups)
  FOR_GROUPS(bound[1], CALL)
#undef CALL
}

void KERNEL(vertical)(
    uint8_t *memory, uint32_t rows, uint32_t row_stride, uint32_t width, uint32_t to, uint32_t outputs, uint32_t bounds,
    uint32_t weights) {
  const int32_t *bound = (const int32_t *)(memory + bounds), *taps = (const int32_t *)(memory + weights);
#define CALL(groups) filter_rows(memory + rows, row_stride, width, memory + to, outputs, bound, taps, groups)
  FOR_GROUPS(bound[1], CALL)
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
#ifdef __AVX512VNNI__
  // Through a table of what each level becomes: sixty-four at once.
  uint8_t levels[256];
  for (int level = 0; level < 256; level++) levels[level] = blend(degenerate, level, factor);
  const level_table table = load_table(levels);
  for (; i + 64 <= count; i += 64) {
    _mm512_storeu_si512(pixels + i, look_up(&table, _mm512_loadu_si512(pixels + i)));
  }
#endif
  for (; i < count; i++) pixels[i] = blend(degenerate, pixels[i], factor);
}

double KERNEL(lumaSum)(const uint8_t *memory, uint32_t at, uint32_t plane, uint32_t count) {
  const uint8_t *r = memory + at, *g = r + plane, *b = g + plane;
#ifdef __AVX512VNNI__
  return (double)luma_sum(r, g, b, count);
#else
  uint64_t sum = 0;
  // No sum of so many overflows its lane.
  for (uint32_t i = 0; i < count;) {
    const uint32_t end = count - i > 1 << 20 ? i + (1 << 20) : count;
    uint32_t part = 0;
    for (; i < end; i++) part += (uint32_t)luma(r[i], g[i], b[i]);
    sum += part;
  }
  return (double)sum;
#endif
}

void KERNEL(saturation)(uint8_t *memory, uint32_t at, uint32_t plane, uint32_t count, float factor) {
  uint8_t *restrict r = memory + at, *restrict g = r + plane, *restrict b = g + plane;
#ifdef __AVX512VNNI__
  saturate(r, g, b, count, factor);
#else
  for (uint32_t i = 0; i < count; i++) {
    const int grey = luma(r[i], g[i], b[i]);
    r[i] = blend(grey, r[i], factor);
    g[i] = blend(grey, g[i], factor);
    b[i] = blend(grey, b[i], factor);
  }
#endif
}

void KERNEL(grayscale)(uint8_t *memory, uint32_t at, uint32_t plane, uint32_t count) {
  uint8_t *restrict r = memory + at, *restrict g = r + plane, *restrict b = g + plane;
#ifdef __AVX512VNNI__
  make_grey(r, g, b, count);
#else
  for (uint32_t i = 0; i < count; i++) r[i] = g[i] = b[i] = (uint8_t)luma(r[i], g[i], b[i]);
#endif
}

void KERNEL(hue)(uint8_t *memory, uint32_t at, uint32_t plane, uint32_t count, int32_t shift) {
  uint8_t *restrict reds = memory + at, *restrict greens = reds + plane, *restrict blues = greens + plane;
#ifdef __AVX512VNNI__
  turn_hues(reds, greens, blues, count, shift);
#else
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
#endif
}

// assembly/layout.ts -------------------------------------------------------------------------------------------------------

void KERNEL(flipRows)(uint8_t *memory, uint32_t from, uint32_t to, uint32_t width, uint32_t height) {
  const uint8_t *row = memory + from;
  uint8_t *flipped = memory + to;
  for (uint32_t y = 0; y < height; y++, row += width, flipped += width) {
    uint32_t x = 0;
    for (; x + 32 <= width; x += 32) {
      const __m256i order = _mm256_broadcastsi128_si256(_mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
      const __m256i lanes = _mm256_shuffle_epi8(_mm256_loadu_si256((const __m256i *)(row + x)), order);
      _mm256_storeu_si256((__m256i *)(flipped + width - x - 32), _mm256_permute4x64_epi64(lanes, 0x4e));
    }
    for (; x < width; x++) flipped[width - x - 1] = row[x];
  }
}

// Compilers would gather and scatter, which is slower than one entry at a time.
#define ONE_BY_ONE __attribute__((optimize("no-tree-vectorize"), noinline))

static ONE_BY_ONE void look_up2(const uint8_t *from, uint32_t count, const uint32_t *entries, uint8_t *to, size_t step) {
#pragma GCC unroll 4
  for (uint32_t i = 0; i < count; i++, to += step) *(uint16_t *)to = (uint16_t)entries[from[i]];
}

static ONE_BY_ONE void look_up4(const uint8_t *from, uint32_t count, const uint32_t *entries, uint8_t *to, size_t step) {
#pragma GCC unroll 4
  for (uint32_t i = 0; i < count; i++, to += step) *(uint32_t *)to = entries[from[i]];
}

void KERNEL(lookup2)(uint8_t *memory, uint32_t from, uint32_t count, uint32_t table, uint32_t to, uint32_t step) {
  const uint32_t *entries = (const uint32_t *)(memory + table);
  uint32_t i = 0;
#ifdef __AVX512VNNI__
  if (step == 2) i = look_up_halves(memory + from, count, entries, (uint16_t *)(memory + to));
#endif
  look_up2(memory + from + i, count - i, entries, memory + to + (size_t)i * step, step);
}

void KERNEL(lookup4)(uint8_t *memory, uint32_t from, uint32_t count, uint32_t table, uint32_t to, uint32_t step) {
  const uint32_t *entries = (const uint32_t *)(memory + table);
  uint32_t i = 0;
#ifdef __AVX512VNNI__
  if (step == 4) i = look_up_words(memory + from, count, entries, (uint32_t *)(memory + to));
#endif
  look_up4(memory + from + i, count - i, entries, memory + to + (size_t)i * step, step);
}

/** Bytes of the memory to where a sample lies: the one address here that is outside of it. */
void KERNEL(copyOut)(const uint8_t *memory, uint32_t from, uint32_t count, uint8_t *target, size_t offset) {
  __builtin_memcpy(target + offset, memory + from, count);
}

// Box blur with radius 0 or 1: assembly/box-blur.ts. Rows, and strips of STEP columns, go through their three passes as lines of
// words: `reach` of them from a pixel to its neighbour, one or a strip's row. ----------------------------------------------

/** Room beside a line's ends for the neighbours of what its last load holds beyond it. */
#define MARGIN (4 * STEP)

/** The pixels of a line from `x` on after a pass. */
static inline __attribute__((always_inline)) words blurred(
    const uint16_t *line, size_t x, size_t reach, int wide, weights w) {
  const uint16_t *at = line + x;
  words near = load_words(at);
  if (!wide) return weigh(near, add_words(load_words(at - reach), load_words(at + reach)), w);
  near = add_words(near, add_words(load_words(at - reach), load_words(at + reach)));
  return weigh(near, add_words(load_words(at - 2 * reach), load_words(at + 2 * reach)), w);
}

/** A line's ends are repeated on either side, as far as the box reaches. */
static inline void extend(uint16_t *line, size_t count, size_t reach) {
  for (size_t i = 0; i < reach; i++) {
    line[i - reach] = line[i - 2 * reach] = line[i];
    line[count + i] = line[count + reach + i] = line[count - reach + i];
  }
}

static inline __attribute__((always_inline)) void pass(
    const uint16_t *from, uint16_t *to, size_t count, size_t reach, int wide, weights w) {
  for (size_t x = 0; x < count; x += STEP) store_words(to + x, blurred(from, x, reach, wide, w));
  extend(to, count, reach);
}

/** Rows that go through a pass before the first goes through the next: what was just stored is slow to load askew. */
#define ROWS 4

static inline __attribute__((always_inline)) void blur_rows(
    const uint8_t *from, uint8_t *to, size_t width, size_t height, int wide, weights w, uint16_t *lines) {
  const size_t pitch = (width + MARGIN) & ~(size_t)(STEP - 1);
  uint16_t *one = lines + STEP, *two = one + ROWS * pitch;
  for (size_t y = 0; y < height; y += ROWS, from += ROWS * width, to += ROWS * width) {
    const size_t rows = height - y < ROWS ? height - y : ROWS;
    for (size_t i = 0; i < rows; i++) {
      uint16_t *line = one + i * pitch;
      for (size_t x = 0; x < width; x += STEP) store_words(line + x, words_of_levels(from + i * width + x));
      extend(line, width, 1);
    }
    for (size_t i = 0; i < rows; i++) pass(one + i * pitch, two + i * pitch, width, 1, wide, w);
    for (size_t i = 0; i < rows; i++) pass(two + i * pitch, one + i * pitch, width, 1, wide, w);
    for (size_t i = 0; i < rows; i++) {
      for (size_t x = 0; x < width; x += STEP) {
        store_levels(to + i * width + x, width - x, blurred(one + i * pitch, x, 1, wide, w));
      }
    }
  }
}

static inline __attribute__((always_inline)) void blur_columns(
    const uint8_t *from, uint8_t *to, size_t width, size_t height, int wide, weights w, uint16_t *lines) {
  const size_t count = height * STEP;
  uint16_t *one = lines + MARGIN, *two = one + count + MARGIN;
  for (size_t x = 0; x < width; x += STEP) {
    for (size_t y = 0; y < height; y++) store_words(one + y * STEP, words_of_levels(from + y * width + x));
    extend(one, count, STEP);
    pass(one, two, count, STEP, wide, w);
    pass(two, one, count, STEP, wide, w);
    for (size_t y = 0; y < height; y++) {
      store_levels(to + y * width + x, width - x, blurred(one, y * STEP, STEP, wide, w));
    }
  }
}

void KERNEL(smallBlur)(
    uint8_t *memory, uint32_t plane, uint32_t other, uint32_t width, uint32_t height, int32_t wide, uint32_t inner,
    uint32_t outer, uint32_t scratch) {
  const weights w = weights_of(inner, outer);
  uint8_t *first = memory + plane, *second = memory + other;
  uint16_t *lines = (uint16_t *)(memory + scratch);
  if (wide) {
    blur_rows(first, second, width, height, 1, w, lines);
    blur_columns(second, first, width, height, 1, w, lines);
  } else {
    blur_rows(first, second, width, height, 0, w, lines);
    blur_columns(second, first, width, height, 0, w, lines);
  }
}

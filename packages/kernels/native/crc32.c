// CRC-32 of zlib (ISO 3309, reflected) by carry-less multiplication, after V. Gopal et al., "Fast CRC Computation for
// Generic Polynomials Using PCLMULQDQ Instruction" (Intel, 2009): sixty-four bytes are folded onto the next sixty-four.
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

static uint32_t table[256];

__attribute__((constructor)) static void make_table(void) {
  for (uint32_t byte = 0; byte < 256; byte++) {
    uint32_t rest = byte;
    for (int bit = 0; bit < 8; bit++) rest = (rest >> 1) ^ (0xedb88320u & -(rest & 1));
    table[byte] = rest;
  }
}

static uint32_t bytewise(uint32_t rest, const uint8_t *bytes, size_t count) {
  for (; count > 0; count--, bytes++) rest = (rest >> 8) ^ table[(rest ^ *bytes) & 0xff];
  return rest;
}

/** Sixteen bytes moved ahead onto `next`: by (x^(n+32), x^(n-32)) mod P, reflected, for n bits. */
static inline __m128i fold(__m128i bytes, __m128i powers, __m128i next) {
  __m128i low = _mm_clmulepi64_si128(bytes, powers, 0x00), high = _mm_clmulepi64_si128(bytes, powers, 0x11);
  return _mm_xor_si128(_mm_xor_si128(low, high), next);
}

/** Of `count` bytes behind those whose checksum is `before`, 0 for none; needs AVX2's processors. */
__attribute__((visibility("default"))) uint32_t cropstream_crc32(const uint8_t *bytes, size_t count, uint32_t before) {
  uint32_t rest = ~before;
  if (count >= 128) {
    const __m128i by_512_bits = _mm_set_epi64x(0x1c6e41596, 0x154442bd4);
    const __m128i by_128_bits = _mm_set_epi64x(0x0ccaa009e, 0x1751997d0);
    const __m128i *from = (const __m128i *)bytes;
    __m128i a = _mm_xor_si128(_mm_loadu_si128(from), _mm_cvtsi32_si128((int)rest));
    __m128i b = _mm_loadu_si128(from + 1), c = _mm_loadu_si128(from + 2), d = _mm_loadu_si128(from + 3);
    for (count -= 64, from += 4; count >= 64; count -= 64, from += 4) {
      a = fold(a, by_512_bits, _mm_loadu_si128(from));
      b = fold(b, by_512_bits, _mm_loadu_si128(from + 1));
      c = fold(c, by_512_bits, _mm_loadu_si128(from + 2));
      d = fold(d, by_512_bits, _mm_loadu_si128(from + 3));
    }
    uint8_t folded[16];
    _mm_storeu_si128((__m128i *)folded, fold(fold(fold(a, by_128_bits, b), by_128_bits, c), by_128_bits, d));
    // What was folded has the rest of all that it stands for.
    rest = bytewise(0, folded, 16);
    bytes = (const uint8_t *)from;
  }
  return ~bytewise(rest, bytes, count);
}

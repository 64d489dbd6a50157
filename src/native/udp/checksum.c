/* Each checksum of the data path goes over up to 64 KiB that were just copied, so it runs at the speed of the second
 * level cache if it is vectorised, and is a tenth of the data path's cost if it is not. */

#include "checksum.h"

#include <string.h>

static uint64_t add_scalar(uint64_t sum, const uint8_t *data, size_t length) {
  uint64_t even = 0, odd = 0;
  for (; length >= 16; data += 16, length -= 16) {
    uint64_t words[2];
    memcpy(words, data, sizeof words);
    even += (words[0] & 0xffffffff) + (words[1] & 0xffffffff);
    odd += (words[0] >> 32) + (words[1] >> 32);
  }
  sum += even + odd;
  for (; length >= 2; data += 2, length -= 2) {
    uint16_t word;
    memcpy(&word, data, sizeof word);
    sum += word;
  }
  if (length == 0) return sum;
  /* RFC 1071: an odd byte is followed by a zero. */
  uint16_t last = 0;
  memcpy(&last, data, 1);
  return sum + last;
}

static uint64_t (*chosen)(uint64_t, const uint8_t *, size_t) = add_scalar;

#if defined(__x86_64__)

#include <immintrin.h>

__attribute__((target("avx2"))) static uint64_t add_avx2(uint64_t sum, const uint8_t *data, size_t length) {
  const __m256i low = _mm256_set1_epi64x(0xffffffff);
  __m256i a = _mm256_setzero_si256(), b = a, c = a, d = a;
  for (; length >= 64; data += 64, length -= 64) {
    __m256i first = _mm256_loadu_si256((const __m256i *)data);
    __m256i second = _mm256_loadu_si256((const __m256i *)(data + 32));
    a = _mm256_add_epi64(a, _mm256_and_si256(first, low));
    b = _mm256_add_epi64(b, _mm256_srli_epi64(first, 32));
    c = _mm256_add_epi64(c, _mm256_and_si256(second, low));
    d = _mm256_add_epi64(d, _mm256_srli_epi64(second, 32));
  }
  __m256i all = _mm256_add_epi64(_mm256_add_epi64(a, b), _mm256_add_epi64(c, d));
  uint64_t lanes[4];
  _mm256_storeu_si256((__m256i *)lanes, all);
  return add_scalar(sum + lanes[0] + lanes[1] + lanes[2] + lanes[3], data, length);
}

static const char *choose_vector(void) {
  if (!__builtin_cpu_supports("avx2")) return NULL;
  chosen = add_avx2;
  return "avx2";
}

#else

/* On other processors the compiler vectorises the plain loop itself where their base instructions can. */
static const char *choose_vector(void) { return NULL; }

#endif

uint64_t checksum_add(uint64_t sum, const void *data, size_t length) { return chosen(sum, data, length); }

const char *checksum_choose(bool vector) {
  chosen = add_scalar;
  const char *name = vector ? choose_vector() : NULL;
  return name != NULL ? name : "scalar";
}

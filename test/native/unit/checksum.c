#include "checksum.h"

#include "../check.h"
#include "../packets.h"

#include <stdlib.h>
#include <string.h>

#define SUITE "the checksum"

/* As it would be stored, in big-endian order. */
static uint16_t stored(uint64_t sum) {
  uint16_t folded = checksum_fold(sum);
  uint8_t bytes[2];
  memcpy(bytes, &folded, sizeof bytes);
  return get16(bytes);
}

/* The memory ends where the data does, so that reading on is noticed. */
static void compare(const uint8_t *data, size_t alignment, size_t length) {
  uint8_t *memory = must_allocate(alignment + length);
  memcpy(memory + alignment, data, length);
  check_context("%zu bytes at alignment %zu", length, alignment);
  check_equal(stored(checksum_add(0, memory + alignment, length)), naive_sum(0, data, length));
  free(memory);
}

static void compare_short_ones(void) {
  uint8_t data[300];
  for (size_t length = 0; length <= sizeof data; length++) {
    random_fill(data, sizeof data);
    for (size_t alignment = 0; alignment < 32; alignment++) compare(data, alignment, length);
  }
}

static void compare_long_ones(void) {
  uint8_t *data = must_allocate(65536);
  for (int i = 0; i < 200; i++) {
    random_fill(data, 65536);
    /* Carries everywhere, and nothing anywhere. */
    if (i % 4 == 1) memset(data, 0xff, 65536);
    if (i % 4 == 2) memset(data, 0, 65536);
    compare(data, random_below(64), i < 4 ? 65536u - (unsigned)i % 2 : random_below(65537));
  }
  free(data);
}

static void add_in_pieces(void) {
  uint8_t data[4096];
  random_fill(data, sizeof data);
  for (int i = 0; i < 1000; i++) {
    size_t length = random_below(sizeof data + 1), first = random_below((uint32_t)length / 2 + 1) * 2;
    uint64_t sum = checksum_add(checksum_add(0, data, first), data + first, length - first);
    check_context("%zu bytes, of which %zu first", length, first);
    check_equal(stored(sum), naive_sum(0, data, length));
  }
}

CASE("is RFC 1071's for all short lengths at all alignments, in plain C") {
  check(strcmp(checksum_choose(false), "scalar") == 0);
  compare_short_ones();
}

CASE("is RFC 1071's for all short lengths at all alignments, with the processor's vectors") {
  checksum_choose(true);
  compare_short_ones();
}

CASE("is RFC 1071's for lengths up to 64 KiB, in plain C") {
  checksum_choose(false);
  compare_long_ones();
}

CASE("is RFC 1071's for lengths up to 64 KiB, with the processor's vectors") {
  checksum_choose(true);
  compare_long_ones();
}

CASE("is the same in pieces that begin at even offsets") {
  checksum_choose(false);
  add_in_pieces();
  checksum_choose(true);
  add_in_pieces();
}

CASE("keeps a carry out of any of the 64 bits that it folds") {
  for (int i = 0; i < 100000; i++) {
    uint64_t sum = random_number() >> random_below(64);
    uint64_t rest = sum % 0xffff;
    check_equal(checksum_fold(sum), sum == 0 ? 0 : rest == 0 ? 0xffff : rest);
  }
  check_equal(checksum_fold(UINT64_MAX), 0xffff);
}

CASE("uses the vectors of a processor that has them") {
#if defined(__x86_64__)
  const char *expected = __builtin_cpu_supports("avx2") ? "avx2" : "scalar";
#else
  const char *expected = "scalar";
#endif
  check(strcmp(checksum_choose(true), expected) == 0);
}

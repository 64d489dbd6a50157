/* Failing, and random numbers. */

#include "check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char context[256];
static uint64_t seed, random_state;

void check_context(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(context, sizeof context, format, arguments);
  va_end(arguments);
}

void check_fail(const char *file, int line, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fprintf(stderr, "%s:%d: ", file, line);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  if (context[0] != '\0') fprintf(stderr, "\n  %s", context);
  fprintf(stderr, "\n  TEST_SEED=%llu repeats it\n", (unsigned long long)seed);
  /* Not exit(): what a failed case has left in memory is no leak to be told. A fuzzer keeps what has led here. */
  abort();
}

static void print_around(const char *what, const uint8_t *bytes, size_t length, size_t at) {
  size_t from = at > 8 ? at - 8 : 0;
  fprintf(stderr, "  %s from byte %zu:", what, from);
  for (size_t i = from; i < length && i < from + 24; i++) fprintf(stderr, " %02x", bytes[i]);
  fprintf(stderr, "\n");
}

void check_same_bytes(const char *file, int line, const char *what, const void *actual, const void *expected,
                      size_t length) {
  const uint8_t *first = actual, *second = expected;
  for (size_t i = 0; i < length; i++) {
    if (first[i] == second[i]) continue;
    print_around("actual  ", first, length, i);
    print_around("expected", second, length, i);
    check_fail(file, line, "byte %zu of %zu of %s is %#x, not %#x", i, length, what, first[i], second[i]);
  }
}

void random_begin(uint64_t from) { random_state = seed = from; }

/* splitmix64 */
uint64_t random_number(void) {
  uint64_t mixed = random_state += 0x9e3779b97f4a7c15u;
  mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
  mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
  return mixed ^ (mixed >> 31);
}

uint32_t random_below(uint32_t limit) { return (uint32_t)((random_number() >> 32) * limit >> 32); }

bool random_chance(uint32_t one_in) { return random_below(one_in) == 0; }

void random_fill(void *bytes, size_t length) {
  uint8_t *at = bytes;
  for (; length >= 8; at += 8, length -= 8) {
    uint64_t number = random_number();
    memcpy(at, &number, 8);
  }
  uint64_t last = random_number();
  memcpy(at, &last, length);
}

void *must_allocate(size_t length) {
  void *memory = malloc(length > 0 ? length : 1);
  if (memory == NULL) abort();
  return memory;
}

/* A test program in C: it lists its cases, and runs one of them by its name (cases.c). A failed check ends it. */

#ifndef FLANNEL_TEST_CHECK_H
#define FLANNEL_TEST_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A case, whose name is a sentence about behaviour: CASE("does this when that") { ... }. What it is about is SUITE,
 * which every file defines. */
#define CASE(sentence) CASE_ON_LINE(sentence, __LINE__)
#define CASE_ON_LINE(sentence, line) CASE_NUMBERED(sentence, line)
#define CASE_NUMBERED(sentence, number) CASE_NAMED(sentence, case_##number, enlist_##number)
#define CASE_NAMED(sentence, run, enlist)                                       \
  static void run(void);                                                        \
  __attribute__((constructor)) static void enlist(void) { check_enlist(SUITE, sentence, run); } \
  static void run(void)

void check_enlist(const char *suite, const char *sentence, void (*run)(void));

#define check(condition) ((condition) ? (void)0 : check_fail(__FILE__, __LINE__, "%s", #condition))

#define check_equal(actual, expected)                                                                     \
  do {                                                                                                    \
    long long actual_ = (long long)(actual), expected_ = (long long)(expected);                           \
    if (actual_ != expected_) check_fail(__FILE__, __LINE__, "%s is %lld, not %lld", #actual, actual_, expected_); \
  } while (0)

#define check_bytes(actual, expected, length) \
  check_same_bytes(__FILE__, __LINE__, #actual, (actual), (expected), (length))

_Noreturn void check_fail(const char *file, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));
void check_same_bytes(const char *file, int line, const char *what, const void *actual, const void *expected,
                      size_t length);

/* Is told with the next failure: in which round of a loop it happened. */
void check_context(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Random numbers from TEST_SEED or from the clock; every failure tells the seed. Not for several threads. */
void random_begin(uint64_t seed);
uint64_t random_number(void);
/* From 0 to limit - 1. */
uint32_t random_below(uint32_t limit);
bool random_chance(uint32_t one_in);
void random_fill(void *bytes, size_t length);

/* Memory that AddressSanitizer watches to the byte. Ends the program where there is none. */
void *must_allocate(size_t length);

#endif

/* The main function of a test program: --list, or a suite and a sentence. */

#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MOST_CASES 256

static struct {
  const char *suite;
  const char *sentence;
  void (*run)(void);
} cases[MOST_CASES];
static size_t case_count;

void check_enlist(const char *suite, const char *sentence, void (*run)(void)) {
  if (case_count == MOST_CASES) abort();
  cases[case_count].suite = suite;
  cases[case_count].sentence = sentence;
  cases[case_count++].run = run;
}

static void choose_seed(void) {
  const char *given = getenv("TEST_SEED");
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  random_begin(given != NULL ? strtoull(given, NULL, 10) : (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec);
}

int main(int argc, char **argv) {
  if (argc == 2 && strcmp(argv[1], "--list") == 0) {
    for (size_t i = 0; i < case_count; i++) printf("%s\t%s\n", cases[i].suite, cases[i].sentence);
    return 0;
  }
  choose_seed();
  for (size_t i = 0; argc == 3 && i < case_count; i++) {
    if (strcmp(cases[i].suite, argv[1]) != 0 || strcmp(cases[i].sentence, argv[2]) != 0) continue;
    cases[i].run();
    return 0;
  }
  fprintf(stderr, "usage: %s --list | SUITE SENTENCE\n", argv[0]);
  return 2;
}

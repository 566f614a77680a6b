// What the load programs share: the clock, the processor time they used, and a histogram of microseconds.
#pragma once
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

// CLOCK_MONOTONIC is one clock for all processes of a machine, so a stamp made by the publisher can be subtracted here.
static inline uint64_t now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static inline uint64_t cpu_us(void) {
  struct rusage u;
  getrusage(RUSAGE_SELF, &u);
  return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 + (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

// Log-linear: 32 steps in every power of two, so a percentile is exact to 3 %.
#define HIST_STEPS 32
#define HIST_SIZE (HIST_STEPS * 40)
struct hist {
  uint64_t count, max, at[HIST_SIZE];
};

static inline void hist_add(struct hist *h, uint64_t us) {
  unsigned i;
  if (us < HIST_STEPS) {
    i = (unsigned)us;
  } else {
    unsigned power = 63 - (unsigned)__builtin_clzll(us);
    i = (power - 4) * HIST_STEPS + (unsigned)((us >> (power - 5)) & (HIST_STEPS - 1));
  }
  if (i >= HIST_SIZE) i = HIST_SIZE - 1;
  h->at[i]++;
  h->count++;
  if (us > h->max) h->max = us;
}

static inline uint64_t hist_percentile(const struct hist *h, double share) {
  if (h->count == 0) return 0;
  uint64_t rank = (uint64_t)(share * (double)h->count), seen = 0;
  for (unsigned i = 0; i < HIST_SIZE; i++) {
    seen += h->at[i];
    if (seen > rank) {
      if (i < HIST_STEPS) return i;
      unsigned power = i / HIST_STEPS + 4;
      return (1ull << power) + ((uint64_t)(i % HIST_STEPS) << (power - 5));
    }
  }
  return h->max;
}

static inline void hist_print(const char *name, const struct hist *h) {
  printf("\"%s\":{\"count\":%llu,\"p50\":%llu,\"p99\":%llu,\"max\":%llu}", name, (unsigned long long)h->count,
         (unsigned long long)hist_percentile(h, 0.5), (unsigned long long)hist_percentile(h, 0.99),
         (unsigned long long)h->max);
}

static inline void die(const char *what) {
  perror(what);
  exit(1);
}

/* Reads from standard input, and calls `command` with each whole line. */
static inline void read_commands(void (*command)(char *)) {
  static char line[256];
  static size_t size;
  ssize_t got = read(0, line + size, sizeof line - 1 - size);
  if (got <= 0) exit(0);
  size += (size_t)got;
  char *eol;
  while ((eol = memchr(line, '\n', size))) {
    *eol = 0;
    command(line);
    size -= (size_t)(eol + 1 - line);
    memmove(line, eol + 1, size);
  }
}

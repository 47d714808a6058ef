#include "tests/fuzz/fuzz.h"

#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The limit is one of processor time, which libFuzzer's own -timeout is not: on a busy machine a process may well not
 * run for a second. A timer ticks four times a second of processor time; an input that saw five ticks took more than 1
 * s. */
static volatile sig_atomic_t ticks;

static void tick(int signal) {
  static const char message[] = "fuzz: this input took more than 1 s of processor time\n";
  (void)signal;
  if (++ticks < 5) return;
  (void)!write(STDERR_FILENO, message, sizeof message - 1);
  abort();
}

static void start_timer(void) {
  const struct itimerval quarter = {{0, 250000}, {0, 250000}};
  struct sigaction action = {.sa_handler = tick, .sa_flags = SA_RESTART};
  if (sigaction(SIGPROF, &action, NULL) != 0 || setitimer(ITIMER_PROF, &quarter, NULL) != 0) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static bool started;
  if (!started) start_timer();
  started = true;
  ticks = 0;
  fuzz_one(data, size);
  return 0;
}

void fuzz_part(const uint8_t **data, size_t *size, const uint8_t **part, size_t *n) {
  static const uint8_t nothing[1];
  const uint8_t *end = *size ? memchr(*data, 0, *size) : NULL;
  const size_t taken = end ? (size_t)(end - *data) : *size;
  *part = taken ? *data : nothing, *n = taken;
  *data += end ? taken + 1 : taken, *size -= end ? taken + 1 : taken;
}

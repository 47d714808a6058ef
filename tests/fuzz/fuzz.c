#include "tests/fuzz/fuzz.h"

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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

static char folder[64];

static void remove_folder(void) {
  static const char *const names[] = {"input",
                                      "config.json",
                                      "preprocessor_config.json",
                                      "tokenizer.json",
                                      "vocab.json",
                                      "merges.txt",
                                      "tokenizer_config.json",
                                      "special_tokens_map.json",
                                      "model_index.json",
                                      "text_encoder/config.json",
                                      "unet/config.json",
                                      "vae/config.json",
                                      "scheduler/scheduler_config.json"};
  static const char *const folders[] = {"text_encoder", "unet", "vae", "scheduler"};
  char path[128];
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    (void)snprintf(path, sizeof path, "%s/%s", folder, names[i]);
    (void)unlink(path);
  }
  for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
    (void)snprintf(path, sizeof path, "%s/%s", folder, folders[i]);
    (void)rmdir(path); /* most targets have none */
  }
  (void)rmdir(folder);
}

const char *fuzz_folder(void) {
  if (folder[0]) return folder;
  (void)snprintf(folder, sizeof folder, "%s/vw-fuzz-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
  if (!mkdtemp(folder)) abort();
  (void)atexit(remove_folder);
  return folder;
}

const char *fuzz_file(const char *name, const void *data, size_t size) {
  static char path[128];
  const char *slash = strrchr(name, '/');
  if (slash) { /* in a folder of one level, made where it is not there */
    (void)snprintf(path, sizeof path, "%s/%.*s", fuzz_folder(), (int)(slash - name), name);
    (void)mkdir(path, 0700);
  }
  (void)snprintf(path, sizeof path, "%s/%s", fuzz_folder(), name);
  const int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (file < 0 || (size && write(file, data, size) != (ssize_t)size) || close(file) != 0) abort();
  return path;
}

void fuzz_file_once(const char *name, const char *text) {
  char path[128];
  (void)snprintf(path, sizeof path, "%s/%s", fuzz_folder(), name);
  if (access(path, F_OK) != 0) (void)fuzz_file(name, text, strlen(text));
}

void fuzz_link(const char *name, const char *source) {
  char path[128];
  (void)snprintf(path, sizeof path, "%s/%s", fuzz_folder(), name);
  (void)unlink(path);
  if (symlink(source, path) != 0) abort();
}

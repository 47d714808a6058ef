#include "tests/fuzz/fuzz.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];

static void remove_folder(void) {
  static const char *const names[] = {
      "input",      "config.json", "preprocessor_config.json", "tokenizer.json",
      "vocab.json", "merges.txt",  "tokenizer_config.json",    "special_tokens_map.json"};
  char path[128];
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    (void)snprintf(path, sizeof path, "%s/%s", folder, names[i]);
    (void)unlink(path);
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
  (void)snprintf(path, sizeof path, "%s/%s", fuzz_folder(), name);
  const int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (file < 0 || (size && write(file, data, size) != (ssize_t)size) || close(file) != 0) abort();
  return path;
}

void fuzz_link(const char *name, const char *source) {
  char path[128];
  (void)snprintf(path, sizeof path, "%s/%s", fuzz_folder(), name);
  (void)unlink(path);
  if (symlink(source, path) != 0) abort();
}

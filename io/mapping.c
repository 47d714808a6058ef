#include "io/mapping.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* The handler may run at any moment on any thread: a fixed table, of which a row counts once `bytes` is written, last.
 * More mappings than rows work as well; their files are not named. */
enum { ROWS = 2048, NAME_BYTES = 480 };

typedef struct row {
  _Atomic uintptr_t at;
  _Atomic size_t bytes; /* 0: free */
  char name[NAME_BYTES];
} row;

static row rows[ROWS];
static pthread_mutex_t writing = PTHREAD_MUTEX_INITIALIZER;
static struct sigaction before;

/* write(2) is all there is: of a message that does not get out nothing can be said. */
static void say(const char *text) {
  const ssize_t n = write(STDERR_FILENO, text, strlen(text));
  (void)n;
}

static void on_bus_error(int signal_number, siginfo_t *info, void *context) {
  const uintptr_t at = (uintptr_t)info->si_addr;
  (void)context;
  for (int i = 0; i < ROWS && info->si_code > 0; i++) { /* positive: by the kernel, with an address */
    const size_t bytes = atomic_load(&rows[i].bytes);
    const uintptr_t start = atomic_load(&rows[i].at);
    if (!bytes || at < start || at - start >= bytes) continue;
    say("viswords: ");
    say(rows[i].name);
    say(": was cut short while this run read it, or its disk failed; put it back, then the same command goes on\n");
    _exit(1);
  }
  (void)sigaction(signal_number, &before, NULL); /* not ours: it happens again, to whoever was in charge before */
  if (info->si_code <= 0) (void)raise(signal_number);
}

static void install(void) {
  struct sigaction action = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO}, old;
  (void)sigemptyset(&action.sa_mask);
  if (sigaction(SIGBUS, NULL, &old) != 0 || old.sa_sigaction == on_bus_error) return;
  before = old; /* MPI installs one when it starts, maybe after our first: looked at again for each mapping */
  (void)sigaction(SIGBUS, &action, NULL);
}

/* What a terminal may be shown of a path, cut to its end where it is long. */
static void copy_name(char name[NAME_BYTES], const char *path) {
  const size_t n = strlen(path);
  const char *from = n < NAME_BYTES ? path : path + n - (NAME_BYTES - 1);
  size_t i = 0;
  for (; from[i]; i++) name[i] = (char)((unsigned char)from[i] < 32 || from[i] == 127 ? '?' : from[i]);
  name[i] = 0;
}

static void remember(void *at, size_t bytes, const char *path) {
  (void)pthread_mutex_lock(&writing);
  install();
  for (int i = 0; i < ROWS; i++) {
    if (atomic_load(&rows[i].bytes)) continue;
    copy_name(rows[i].name, path);
    atomic_store(&rows[i].at, (uintptr_t)at);
    atomic_store(&rows[i].bytes, (bytes + 4095) / 4096 * 4096);
    break;
  }
  (void)pthread_mutex_unlock(&writing);
}

static void forget(const void *at) {
  (void)pthread_mutex_lock(&writing);
  for (int i = 0; i < ROWS; i++)
    if (atomic_load(&rows[i].bytes) && atomic_load(&rows[i].at) == (uintptr_t)at) atomic_store(&rows[i].bytes, 0);
  (void)pthread_mutex_unlock(&writing);
}

vw_status vw_map_file(int fd, const char *path, size_t bytes, void **at) {
  *at = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, fd, 0);
  if (*at == MAP_FAILED) {
    *at = NULL;
    return VW_RAISE(VW_ERR_IO, "%s: cannot map %zu bytes: %s", path, bytes, strerror(errno));
  }
  remember(*at, bytes, path);
  return VW_OK;
}

void vw_unmap_file(void *at, size_t bytes) {
  if (!at) return;
  forget(at);
  (void)munmap(at, bytes);
}

#include "io/lock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

enum { TEXT_BYTES = 256, HOST_BYTES = 64, TRIES = 10 };

typedef struct owner {
  char host[HOST_BYTES];
  long pid;
  unsigned long long born; /* start of the process in clock ticks since boot: a pid that came back is another process */
} owner;

/* Field 22 of /proc/PID/stat; 0 when there is no such process (or no /proc). *state: field 3, 0 when unknown. */
static unsigned long long born_of(long pid, char *state) {
  char path[64], text[1024];
  unsigned long long born = 0;
  *state = 0;
  (void)snprintf(path, sizeof path, "/proc/%ld/stat", pid);
  FILE *f = fopen(path, "re");
  if (!f) return 0;
  const size_t n = fread(text, 1, sizeof text - 1, f);
  (void)fclose(f);
  text[n] = 0;
  const char *at = strrchr(text, ')'); /* the name before it may hold anything */
  if (at && at[1] == ' ') *state = at[2];
  for (int field = 2; at && field < 22; field++) at = strchr(at + 1, ' ');
  if (at) born = strtoull(at + 1, NULL, 10);
  return born;
}

static void describe_self(owner *self) {
  char state = 0;
  *self = (owner){.pid = (long)getpid(), .born = born_of((long)getpid(), &state)};
  if (gethostname(self->host, sizeof self->host - 1) != 0) (void)snprintf(self->host, sizeof self->host, "localhost");
}

/* *known false: the file is empty or not ours, e.g. after a power failure. */
static vw_status read_owner(const char *path, owner *who, bool *known) {
  char *text = NULL;
  *who = (owner){{0}, 0, 0}, *known = false;
  VW_TRY(vw_file_read(path, &text, NULL));
  *known = sscanf(text, "host %63s pid %ld born %llu", who->host, &who->pid, &who->born) == 3;
  free(text);
  return VW_OK;
}

static bool is_dead(const owner *who, const owner *self) {
  if (strcmp(who->host, self->host) != 0) return false;
  if (who->pid <= 0 || (kill((pid_t)who->pid, 0) != 0 && errno == ESRCH)) return true;
  char state = 0;
  const unsigned long long born = born_of(who->pid, &state);
  if (state == 'Z' || state == 'X') return true; /* killed; nobody has asked how it ended */
  return who->born != 0 && born != 0 && born != who->born;
}

/* Writes the file beside and links it into place: it appears complete, and only where none was. */
static vw_status place(const char *path, const owner *self, bool *is_mine) {
  char beside[VW_PATH_BYTES], text[TEXT_BYTES];
  VW_TRY(vw_path_format(beside, "%s.%s.%ld", path, self->host, self->pid));
  const int n = snprintf(text, sizeof text, "host %s pid %ld born %llu\n", self->host, self->pid, self->born);
  VW_TRY(vw_file_write(beside, text, n));
  *is_mine = link(beside, path) == 0;
  const int err = errno;
  (void)unlink(beside);
  VW_CHECK(*is_mine || err == EEXIST, VW_ERR_IO, "%s: cannot take the lock: %s", path, strerror(err));
  return VW_OK;
}

/* Refused, or the way is free: a lock that a dead process left is gone. */
static vw_status clear_stale(const char *path, const char *dir, const owner *self) {
  owner who;
  bool known = false, is_there = false;
  const vw_status st = read_owner(path, &who, &known);
  if (st == VW_ERR_IO) VW_TRY(vw_file_find(path, &is_there));
  if (st == VW_ERR_IO && !is_there) return VW_OK; /* released in between */
  VW_TRY(st);
  if (known && !is_dead(&who, self))
    return VW_RAISE(VW_ERR_INPUT,
                    "%s: process %ld on %s is working here; wait for it or choose another -o directory (if that "
                    "process is gone, delete %s)",
                    dir, who.pid, who.host, path);
  VW_CHECK(unlink(path) == 0 || errno == ENOENT, VW_ERR_IO, "%s: cannot delete: %s", path, strerror(errno));
  return VW_OK;
}

/* Deletes what this host's processes that were killed in place() left: while the guard is held there are no others. */
static void sweep(int guard, const owner *self) {
  char prefix[HOST_BYTES + 8];
  const struct dirent *entry;
  const int fd = dup(guard);
  DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
  const int n = snprintf(prefix, sizeof prefix, ".lock.%s.", self->host);
  while (d && (entry = readdir(d)))
    if (strncmp(entry->d_name, prefix, (size_t)n) == 0) (void)unlinkat(guard, entry->d_name, 0);
  if (d) (void)closedir(d);
}

vw_status vw_lock_take(vw_lock *lock, const char *dir) {
  owner self;
  vw_status st = VW_OK;
  lock->held = false;
  VW_TRY(vw_path_format(lock->path, "%s/.lock", dir));
  describe_self(&self);
  const int guard = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  VW_CHECK(guard >= 0, VW_ERR_IO, "%s: cannot open the folder: %s", dir, strerror(errno));
  /* Processes of one host judge one after the other, so that none deletes a lock taken after it looked. Network file
   * systems may refuse; there only the link decides. */
  if (flock(guard, LOCK_EX) == 0) sweep(guard, &self);
  for (int i = 0; i < TRIES && st == VW_OK && !lock->held; i++) {
    st = place(lock->path, &self, &lock->held);
    if (st == VW_OK && !lock->held) st = clear_stale(lock->path, dir, &self);
  }
  (void)close(guard);
  VW_CHECK(st != VW_OK || lock->held, VW_ERR_IO, "%s: others keep taking the lock; try again", lock->path);
  return st;
}

bool vw_lock_owner(const char *dir, char text[VW_LOCK_OWNER_BYTES]) {
  char path[VW_PATH_BYTES];
  owner who, self;
  bool known = false;
  if (vw_path_format(path, "%s/.lock", dir) != VW_OK || !vw_file_exists(path)) return false;
  describe_self(&self);
  if (read_owner(path, &who, &known) != VW_OK || !known) /* gone in between, or damaged */
    (void)snprintf(text, VW_LOCK_OWNER_BYTES, "somebody unknown (%s)", vw_file_exists(path) ? "damaged lock" : "gone");
  else
    (void)snprintf(text, VW_LOCK_OWNER_BYTES, "process %ld on %s%s", who.pid, who.host,
                   is_dead(&who, &self) ? ", which is dead: the next run takes over" : "");
  return true;
}

void vw_lock_release(vw_lock *lock) {
  if (lock->held) (void)unlink(lock->path);
  lock->held = false;
}

#include "io/lock_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/foreign.h"

/* The first bytes of a file; "" when it cannot be read. */
static void read_start(const char *path, char *text, size_t bytes) {
  const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  const ssize_t n = fd < 0 ? -1 : read(fd, text, bytes - 1);
  if (fd >= 0) (void)close(fd);
  text[n > 0 ? n : 0] = 0;
}

/* Field 22 of /proc/PID/stat; 0 when there is no such process (or no /proc). *state: field 3, 0 when unknown. */
static unsigned long long born_of(const char *process, char *state) {
  char path[64], text[1024];
  *state = 0;
  (void)snprintf(path, sizeof path, "/proc/%s/stat", process);
  read_start(path, text, sizeof text);
  const char *at = strrchr(text, ')'); /* the name before it may hold anything */
  if (at && at[1] == ' ') *state = at[2];
  for (int field = 2; at && field < 22; field++) at = strchr(at + 1, ' ');
  return at ? strtoull(at + 1, NULL, 10) : 0;
}

vw_status vw_lock_record_self(vw_lock_record *self) {
  uint64_t unique[2];
  struct stat info;
  char state = 0;
  *self = (vw_lock_record){.pid = (long)getpid(), .born = born_of("self", &state)};
  VW_CHECK(getrandom(unique, sizeof unique, 0) == (ssize_t)sizeof unique, VW_ERR_IO, "no random numbers: %s",
           strerror(errno));
  (void)snprintf(self->epoch, sizeof self->epoch, "%016" PRIx64 "%016" PRIx64, unique[0], unique[1]);
  if (gethostname(self->host, sizeof self->host - 1) != 0 || !self->host[0])
    (void)snprintf(self->host, sizeof self->host, "localhost");
  self->host[strcspn(self->host, " \t\r\n")] = 0;
  read_start("/proc/sys/kernel/random/boot_id", self->boot, sizeof self->boot);
  self->boot[strcspn(self->boot, " \t\r\n")] = 0;
  if (!self->boot[0]) (void)snprintf(self->boot, sizeof self->boot, "-");
  if (stat("/proc/self/ns/pid", &info) == 0) self->space = (unsigned long long)info.st_ino;
  (void)snprintf(self->text, sizeof self->text,
                 "viswords lock 2\nepoch %s\nhost %s\nboot %s\nnamespace %llu\npid %ld\nborn %llu\ncounter %0*d\n",
                 self->epoch, self->host, self->boot, self->space, self->pid, self->born, VW_LOCK_DIGITS, 0);
  return VW_OK;
}

/* The whole text, at most what fits. */
static vw_status read_text(const char *path, char text[VW_LOCK_TEXT], bool *there) {
  int fd = -1, err = 0;
  size_t at = 0;
  struct stat info;
  text[0] = 0;
  *there = lstat(path, &info) == 0 || errno != ENOENT;
  if (!*there) return VW_OK;
  const vw_status st = vw_foreign_open_own(path, &fd, NULL);
  if (st == VW_ERR_IO && lstat(path, &info) != 0 && errno == ENOENT) return *there = false, VW_OK; /* just released */
  VW_TRY(st);
  while (at < VW_LOCK_TEXT - 1 && !err) {
    const ssize_t n = read(fd, text + at, VW_LOCK_TEXT - 1 - at);
    if (n == 0) break;
    if (n < 0 && errno != EINTR) err = errno;
    if (n > 0) at += (size_t)n;
  }
  text[at] = 0;
  (void)close(fd);
  if (err == ESTALE) return *there = false, VW_OK; /* a network file system: replaced while it was read */
  VW_CHECK(!err, VW_ERR_IO, "%s: cannot read: %s", path, strerror(err));
  return VW_OK;
}

vw_status vw_lock_record_read(const char *path, vw_lock_record *who, bool *there, bool *known) {
  unsigned long long counter = 0;
  *who = (vw_lock_record){.boot = "-"}, *known = false;
  VW_TRY(read_text(path, who->text, there));
  *known = sscanf(who->text,
                  "viswords lock 2 epoch %32[0-9a-f] host %63s boot %63s namespace %llu pid %ld born %llu counter %llx",
                  who->epoch, who->host, who->boot, &who->space, &who->pid, &who->born, &counter) == 7 &&
           strlen(who->epoch) == VW_LOCK_EPOCH - 1;
  if (*known) return VW_OK;
  char text[VW_LOCK_TEXT];
  memcpy(text, who->text, sizeof text);
  *who = (vw_lock_record){.boot = "-"};
  memcpy(who->text, text, sizeof text);
  *known = sscanf(text, "host %63s pid %ld born %llu", who->host, &who->pid, &who->born) == 3; /* without lease */
  return VW_OK;
}

/* /proc may be that of another namespace, with other processes under the same numbers. */
static bool is_proc_ours(void) {
  char number[32] = "";
  const ssize_t n = readlink("/proc/self", number, sizeof number - 1);
  return n > 0 && strtol(number, NULL, 10) == (long)getpid();
}

vw_lock_life vw_lock_record_life(const vw_lock_record *who, const vw_lock_record *self) {
  const bool has_epoch = who->epoch[0] != 0, same_host = strcmp(who->host, self->host) == 0;
  if (!has_epoch && !same_host) return VW_LOCK_ALIVE; /* it gives no sign of life to wait for */
  if (has_epoch && !(same_host && strcmp(who->boot, self->boot) == 0 && strcmp(who->boot, "-") != 0 && who->space &&
                     who->space == self->space))
    return VW_LOCK_UNKNOWN;
  if (who->pid <= 0 || (kill((pid_t)who->pid, 0) != 0 && errno == ESRCH)) return VW_LOCK_DEAD;
  if (!is_proc_ours()) return has_epoch ? VW_LOCK_UNKNOWN : VW_LOCK_ALIVE;
  char number[32], state = 0;
  (void)snprintf(number, sizeof number, "%ld", who->pid);
  const unsigned long long born = born_of(number, &state);
  if (state == 'Z' || state == 'X') return VW_LOCK_DEAD; /* killed; nobody has asked how it ended */
  if (who->born != 0 && born != 0 && born != who->born) return VW_LOCK_DEAD;
  return has_epoch && (state == 'T' || state == 't') ? VW_LOCK_UNKNOWN : VW_LOCK_ALIVE; /* stopped: has it long been? */
}

#include "io/lock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/fault.h"
#include "core/log.h"
#include "core/pulse.h"
#include "io/lock_internal.h"

enum { TRIES = 10, PART_BYTES = 64, GUARD_TRIES = 20 };

double vw_lock_beat(void) {
  return vw_fault_seconds("VISWORDS_LOCK_BEAT", 10);
}

double vw_lock_lease(void) {
  return vw_fault_seconds("VISWORDS_LOCK_LEASE", 60);
}

static double now(void) {
  struct timespec t;
  (void)clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* A signal ends it early. */
static void nap(double seconds) {
  const struct timespec t = {.tv_sec = (time_t)seconds, .tv_nsec = (long)(1e9 * (seconds - (double)(time_t)seconds))};
  (void)nanosleep(&t, NULL);
}

static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";

static vw_status path_of(char path[VW_PATH_BYTES], const char *dir, const char *part) {
  if (!part || !part[0]) return vw_path_format(path, "%s/.lock", dir);
  VW_CHECK(strspn(part, allowed) == strlen(part) && strlen(part) <= PART_BYTES, VW_ERR_ARG,
           "lock '%.80s': expected at most %d letters, digits, '-' or '_'", part, PART_BYTES);
  return vw_path_format(path, "%s/.lock-%s", dir, part);
}

/* ---- the owner's sign of life ---- */

struct vw_lock_pulse {
  pthread_t thread;
  pthread_mutex_t mutex;
  pthread_cond_t wake;
  bool done;
  int fd; /* of the file that was put in place: when another run replaced it, counting in it harms nobody */
  off_t at;
  double beat;
};

static void *count(void *user) {
  struct vw_lock_pulse *p = user;
  (void)pthread_mutex_lock(&p->mutex);
  for (unsigned long long n = 1; !p->done; n++) {
    const double until = now() + p->beat;
    const struct timespec t = {.tv_sec = (time_t)until, .tv_nsec = (long)(1e9 * (until - (double)(time_t)until))};
    while (!p->done && pthread_cond_timedwait(&p->wake, &p->mutex, &t) != ETIMEDOUT) {}
    if (p->done) break;
    char digits[VW_LOCK_DIGITS + 1];
    (void)snprintf(digits, sizeof digits, "%0*llx", VW_LOCK_DIGITS, n);
    /* what fails here shows as silence, and commits ask whether the lock is still there */
    if (pwrite(p->fd, digits, VW_LOCK_DIGITS, p->at) == VW_LOCK_DIGITS) (void)fsync(p->fd);
  }
  (void)pthread_mutex_unlock(&p->mutex);
  return NULL;
}

/* Owns `fd` on success. Signals go to the other threads. */
static vw_status pulse_start(struct vw_lock_pulse **out, int fd, off_t at, double beat) {
  sigset_t all, old;
  pthread_condattr_t attributes;
  struct vw_lock_pulse *p = calloc(1, sizeof *p);
  VW_CHECK(p, VW_ERR_MEMORY, "lock: out of memory");
  p->fd = fd, p->at = at, p->beat = beat;
  (void)pthread_mutex_init(&p->mutex, NULL);
  (void)pthread_condattr_init(&attributes);
  (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  (void)pthread_cond_init(&p->wake, &attributes);
  (void)pthread_condattr_destroy(&attributes);
  (void)sigfillset(&all), (void)pthread_sigmask(SIG_SETMASK, &all, &old);
  const int err = pthread_create(&p->thread, NULL, count, p);
  (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
  if (err == 0) {
    *out = p;
    return VW_OK;
  }
  (void)pthread_mutex_destroy(&p->mutex), (void)pthread_cond_destroy(&p->wake);
  free(p);
  return VW_RAISE(VW_ERR_MEMORY, "lock: cannot start a thread: %s", strerror(err));
}

static void pulse_end(struct vw_lock_pulse *p) {
  if (!p) return;
  (void)pthread_mutex_lock(&p->mutex);
  p->done = true;
  (void)pthread_cond_signal(&p->wake);
  (void)pthread_mutex_unlock(&p->mutex);
  (void)pthread_join(p->thread, NULL);
  (void)pthread_mutex_destroy(&p->mutex), (void)pthread_cond_destroy(&p->wake);
  (void)close(p->fd);
  free(p);
}

/* ---- holding ---- */

vw_status vw_lock_check(const vw_lock *lock) {
  vw_lock_record who;
  bool there = false, known = false;
  if (!lock->epoch[0]) return VW_OK;
  VW_TRY(vw_lock_record_read(lock->path, &who, &there, &known));
  if (known && strcmp(who.epoch, lock->epoch) == 0) return VW_OK;
  if (there && known)
    return VW_RAISE(VW_ERR_IO,
                    "%s: process %ld on %s took over while this run gave no sign of life; this run stops and writes "
                    "nothing more",
                    lock->path, who.pid, who.host);
  return VW_RAISE(VW_ERR_IO,
                  "%s: this run's lock is %s: another run took over, or somebody deleted it; this run stops and writes "
                  "nothing more",
                  lock->path, there ? "damaged" : "gone");
}

static vw_status check_for_commit(void *lock) {
  return vw_lock_check(lock);
}

static vw_status keep(vw_lock *lock, const char *dir, const char *epoch) {
  VW_TRY(vw_path_format(lock->dir, "%s", dir));
  memcpy(lock->epoch, epoch, sizeof lock->epoch);
  lock->guard = (vw_commit_guard){.dir = lock->dir, .check = check_for_commit, .user = lock};
  vw_commit_guard_add(&lock->guard);
  return VW_OK;
}

vw_status vw_lock_follow(vw_lock *lock, const char *dir, const char *part, const char *epoch) {
  char own[VW_LOCK_EPOCH] = "";
  lock->held = false, lock->pulse = NULL, lock->epoch[0] = 0;
  VW_CHECK(strlen(epoch) == VW_LOCK_EPOCH - 1, VW_ERR_ARG, "lock: the epoch '%.40s' is none", epoch);
  memcpy(own, epoch, sizeof own);
  VW_TRY(path_of(lock->path, dir, part));
  return keep(lock, dir, own);
}

void vw_lock_release(vw_lock *lock) {
  vw_commit_guard_remove(&lock->guard);
  pulse_end(lock->pulse);
  if (lock->held && vw_lock_check(lock) == VW_OK) (void)unlink(lock->path);
  lock->held = false, lock->pulse = NULL, lock->epoch[0] = 0;
}

/* ---- taking ---- */

typedef struct taker {
  vw_lock *lock;
  const char *dir;
  vw_lock_how how;
  vw_lock_record self, seen; /* seen: what is in the way */
  char path[VW_PATH_BYTES];  /* of the lock that is looked at: the own one, or one that it excludes */
  bool stopped;
} taker;

static bool asked_to_stop(taker *t) {
  vw_pulse();
  if (t->how.stop && t->how.stop(t->how.user)) t->stopped = true;
  return t->stopped;
}

/* The record of this process, complete and on disk, beside. */
static vw_status write_beside(const taker *t, vw_partial *p) {
  VW_TRY(vw_partial_open(p, t->lock->path));
  vw_status st = vw_fault("writing", p->path);
  if (st == VW_OK) st = vw_partial_write(p, t->self.text, (int64_t)strlen(t->self.text));
  if (st == VW_OK) st = vw_partial_sync(p);
  return st == VW_OK ? VW_OK : vw_partial_close(p, st);
}

/* The file is in place: counts in it from now on. */
static vw_status hold(taker *t, vw_partial *p) {
  const off_t at = (off_t)strlen(t->self.text) - 1 - VW_LOCK_DIGITS;
  vw_lock *lock = t->lock;
  vw_status st = vw_fault("renamed", lock->path);
  if (st == VW_OK) st = pulse_start(&lock->pulse, p->fd, at, t->how.beat);
  if (st == VW_OK) st = keep(lock, t->dir, t->self.epoch);
  if (st == VW_OK) {
    lock->held = true;
    return VW_OK;
  }
  if (lock->pulse) pulse_end(lock->pulse), p->fd = -1;
  lock->pulse = NULL;
  if (p->fd >= 0) (void)close(p->fd);
  (void)unlink(lock->path);
  return st;
}

/* Linked into place: it appears complete, and only where none was. */
static vw_status place(taker *t) {
  vw_partial p;
  VW_TRY(write_beside(t, &p));
  const bool is_mine = link(p.path, t->lock->path) == 0;
  const int err = errno;
  (void)unlink(p.path);
  if (is_mine) return hold(t, &p);
  (void)close(p.fd);
  VW_CHECK(err == EEXIST || err == ENOENT, VW_ERR_IO, "%s: cannot take the lock: %s", t->lock->path, strerror(err));
  return VW_OK; /* ENOENT: somebody tidied up what was beside */
}

/* Takers of one host replace one after the other. It only spares a run that would find out at its first commit, so that
 * nobody waits long for it: anybody who may read the folder can hold this lock, and some file systems have none. */
static int guard_folder(const char *dir) {
  const int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  for (int i = 0; fd >= 0 && i < GUARD_TRIES && flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK; i++)
    nap(0.05);
  return fd;
}

/* Renamed over t->seen, if that is still what is there. */
static vw_status replace(taker *t, const char *why) {
  vw_lock_record there;
  vw_partial p;
  bool is_there = false, known = false;
  VW_TRY(write_beside(t, &p));
  const int guard = guard_folder(t->dir);
  vw_status st = vw_lock_record_read(t->lock->path, &there, &is_there, &known);
  if (st == VW_OK && is_there && strcmp(there.text, t->seen.text) == 0) {
    if (rename(p.path, t->lock->path) != 0)
      st = VW_RAISE(VW_ERR_IO, "%s: cannot take the lock: %s", t->lock->path, strerror(errno));
    else
      st = hold(t, &p), p.fd = -1;
  }
  if (p.fd >= 0) (void)unlink(p.path), (void)close(p.fd);
  if (guard >= 0) (void)close(guard);
  if (st == VW_OK && t->lock->held && t->seen.pid)
    vw_log(*why ? VW_LOG_WARN : VW_LOG_INFO, "%s: took over from process %ld on %s, %s", t->lock->path, t->seen.pid,
           t->seen.host, *why ? why : "which is dead");
  return st;
}

static bool is_own(const taker *t) {
  return strcmp(t->path, t->lock->path) == 0;
}

static vw_status refuse(const taker *t) {
  const bool is_old = !t->seen.epoch[0];
  const char *name = strrchr(t->path, '/') + 1;
  return VW_RAISE(
      VW_ERR_INPUT, "%s: process %ld on %s is working here%s%s%s; wait for it or choose another -o directory%s%s%s",
      t->dir, t->seen.pid, t->seen.host, is_own(t) ? "" : " (", is_own(t) ? "" : name, is_own(t) ? "" : ")",
      is_old ? " (an older viswords: if that process is gone, delete " : "", is_old ? t->path : "", is_old ? ")" : "");
}

/* Until the file changes, goes, or was silent for the lease. The file is opened anew each time, so that a network file
 * system asks its server; the last look is after the time has passed. */
static vw_status watch(taker *t, bool *is_silent) {
  const double until = now() + t->how.lease, step = t->how.lease / 60 < 1 ? t->how.lease / 60 : 1;
  *is_silent = false;
  vw_log(VW_LOG_WARN,
         "%s: process %ld on %s holds this lock; whether it lives cannot be seen from here: waiting up to %.0f s for a "
         "sign of life",
         t->path, t->seen.pid, t->seen.host, t->how.lease);
  for (bool last = false; !asked_to_stop(t);) {
    vw_lock_record there;
    bool is_there = false, known = false;
    VW_TRY(vw_lock_record_read(t->path, &there, &is_there, &known));
    if (!is_there || strcmp(there.epoch, t->seen.epoch) != 0) return VW_OK; /* look again */
    if (strcmp(there.text, t->seen.text) != 0) return t->how.is_short ? VW_OK : refuse(t);
    if (last) return *is_silent = true, VW_OK;
    nap(step);
    last = now() >= until;
  }
  return VW_OK;
}

/* One look at what is in the way: refused, done away with by `take_over`, or the next try may find another state. */
static vw_status clear(taker *t, vw_status (*take_over)(taker *t, const char *why), bool *is_there) {
  bool known = false, is_silent = false;
  char why[64];
  VW_TRY(vw_lock_record_read(t->path, &t->seen, is_there, &known));
  if (!*is_there) return VW_OK;        /* released in between */
  if (!known) return take_over(t, ""); /* an owner that lives finds its epoch gone */
  const vw_lock_life life = vw_lock_record_life(&t->seen, &t->self);
  if (life == VW_LOCK_DEAD) return take_over(t, "");
  if (life == VW_LOCK_ALIVE && !t->how.is_short) return refuse(t);
  if (life == VW_LOCK_ALIVE) return nap(0.05), VW_OK;
  VW_TRY(watch(t, &is_silent));
  (void)snprintf(why, sizeof why, "which gave no sign of life for %.0f s", t->how.lease);
  return is_silent ? take_over(t, why) : VW_OK;
}

/* ---- locks that exclude each other ---- */

/* Removes t->seen, if that is still what is there: an owner that was only asleep finds it gone. */
static vw_status sweep_away(taker *t, const char *why) {
  vw_lock_record there;
  bool is_there = false, known = false;
  const int guard = guard_folder(t->dir);
  vw_status st = vw_lock_record_read(t->path, &there, &is_there, &known);
  const bool is_same = st == VW_OK && is_there && strcmp(there.text, t->seen.text) == 0;
  if (is_same && unlink(t->path) != 0 && errno != ENOENT)
    st = VW_RAISE(VW_ERR_IO, "%s: cannot remove: %s", t->path, strerror(errno));
  if (guard >= 0) (void)close(guard);
  if (is_same && st == VW_OK && t->seen.pid)
    vw_log(*why ? VW_LOG_WARN : VW_LOG_INFO, "%s: removed the lock of process %ld on %s, %s", t->path, t->seen.pid,
           t->seen.host, *why ? why : "which is dead");
  return st;
}

/* The part of a lock's file name, "" for the whole study's; NULL: no lock. */
static const char *part_of_name(const char *name) {
  const char *part = strncmp(name, ".lock", 5) == 0 ? name + 5 : NULL;
  if (!part || (*part && *part != '-')) return NULL;
  part += *part == '-';
  return strspn(part, allowed) == strlen(part) ? part : NULL; /* else one that is being written */
}

/* Runs that hold a lock which this one excludes: refused where one lives. The own lock is in place already, so of two
 * that come at once at least one sees the other. (Having made a file in the folder just now, a network file system's
 * client asks its server for the names.) */
static vw_status clear_others(taker *t) {
  vw_status st = VW_OK;
  DIR *folder = opendir(t->dir);
  VW_CHECK(folder, VW_ERR_IO, "%s: cannot open: %s", t->dir, strerror(errno));
  for (const struct dirent *e; st == VW_OK && !t->stopped && (e = readdir(folder));) {
    const char *part = part_of_name(e->d_name);
    bool is_there = true;
    if (!part || !t->how.excludes(t->how.user, part)) continue;
    st = path_of(t->path, t->dir, part);
    for (int i = 0; st == VW_OK && !is_own(t) && is_there && i < TRIES && !asked_to_stop(t); i++)
      st = clear(t, sweep_away, &is_there);
  }
  (void)closedir(folder);
  return st;
}

static bool is_lock(const char *name) {
  return strcmp(name, ".lock") == 0 || strncmp(name, ".lock-", 6) == 0;
}

vw_status vw_lock_take(vw_lock *lock, const char *dir, const vw_lock_how *how) {
  taker t = {.lock = lock, .dir = dir};
  if (how) t.how = *how;
  if (t.how.beat <= 0) t.how.beat = vw_lock_beat();
  if (t.how.lease <= 0) t.how.lease = vw_lock_lease();
  lock->held = false, lock->pulse = NULL, lock->epoch[0] = 0;
  VW_TRY(path_of(lock->path, dir, t.how.part));
  VW_TRY(path_of(t.path, dir, t.how.part));
  VW_TRY(vw_lock_record_self(&t.self));
  /* a short lock may be passed on any number of times before it is our turn */
  for (int i = 0; (t.how.is_short || i < TRIES) && !lock->held && !asked_to_stop(&t); i++) {
    bool is_there = false;
    VW_TRY(place(&t));
    if (!lock->held) VW_TRY(clear(&t, replace, &is_there));
  }
  VW_CHECK(lock->held || t.stopped, VW_ERR_IO, "%s: others keep taking the lock; try again", lock->path);
  const vw_status st = lock->held && t.how.excludes ? clear_others(&t) : VW_OK;
  if (st != VW_OK || t.stopped) {
    char why[VW_PATH_BYTES + 512]; /* giving it back may fail, too */
    (void)snprintf(why, sizeof why, "%s", vw_error_message());
    vw_lock_release(lock);
    if (st != VW_OK) return VW_RAISE(st, "%s", why);
  }
  vw_folder_sweep(dir, is_lock, 0);
  return VW_OK;
}

bool vw_lock_look(const char *dir, const char *part, vw_lock_sign *sign) {
  char path[VW_PATH_BYTES];
  vw_lock_record who, self;
  struct stat info;
  bool there = false, known = false;
  *sign = (vw_lock_sign){0};
  if (path_of(path, dir, part) != VW_OK || vw_lock_record_self(&self) != VW_OK) return false;
  const vw_status st = vw_lock_record_read(path, &who, &there, &known);
  if (st == VW_OK && !there) return false;
  if (lstat(path, &info) == 0) sign->age = (double)(time(NULL) - info.st_mtime);
  if (st != VW_OK || !known) {
    (void)snprintf(sign->owner, sizeof sign->owner, "somebody unknown (%s)",
                   st == VW_OK ? "damaged lock" : "unreadable lock");
    return true;
  }
  sign->is_dead = vw_lock_record_life(&who, &self) == VW_LOCK_DEAD;
  (void)snprintf(sign->owner, sizeof sign->owner, "process %ld on %s%s", who.pid, who.host,
                 sign->is_dead ? ", which is dead: the next run takes over" : "");
  return true;
}

bool vw_lock_owner(const char *dir, const char *part, char text[VW_LOCK_OWNER_BYTES]) {
  vw_lock_sign sign;
  if (!vw_lock_look(dir, part, &sign)) return false;
  memcpy(text, sign.owner, sizeof sign.owner);
  return true;
}

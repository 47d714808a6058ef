#include "io/witness.h"

#include <errno.h>
#include <string.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

#include "core/durable.h"

/* Times of files advance in ticks: 4 ms on local disks, up to a second or two elsewhere. */
enum { TICK_SECONDS = 2 };

void vw_witness_take(vw_witness *w, const struct stat *info) {
  const int64_t now = (int64_t)time(NULL);
  *w = (vw_witness){.inode = (int64_t)info->st_ino,
                    .bytes = (int64_t)info->st_size,
                    .modified = (int64_t)info->st_mtim.tv_sec,
                    .modified_ns = (int64_t)info->st_mtim.tv_nsec,
                    .changed = (int64_t)info->st_ctim.tv_sec,
                    .changed_ns = (int64_t)info->st_ctim.tv_nsec};
  w->too_fresh = w->modified > now - TICK_SECONDS || w->changed > now - TICK_SECONDS;
}

/* ---- writes that the system tells of ----------------------------------------------------------------------------- */

enum { WATCHES = 4096 };

static struct {
  int queue; /* 1 + the descriptor; 0: not asked for yet, -1: there is none */
  int64_t writes[WATCHES];
  int64_t lost; /* times that the queue held no more */
} told;

static void hear(void) {
  _Alignas(struct inotify_event) char buffer[4096];
  ssize_t n = 0;
  if (told.queue <= 0) return;
  while ((n = read(told.queue - 1, buffer, sizeof buffer)) > 0)
    for (ssize_t at = 0; at < n;) {
      struct inotify_event e;
      memcpy(&e, buffer + at, sizeof e);
      if (e.mask & IN_Q_OVERFLOW) told.lost++;
      if (e.mask & IN_MODIFY && e.wd > 0 && e.wd < WATCHES) told.writes[e.wd]++;
      at += (ssize_t)(sizeof e + e.len);
    }
}

void vw_witness_watch(vw_witness *w, const char *path) {
  if (!told.queue) {
    const int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    told.queue = fd < 0 ? -1 : fd + 1; /* out of instances, say: hashes are left */
  }
  if (told.queue < 0) return;
  const int watch = inotify_add_watch(told.queue - 1, path, IN_MODIFY);
  if (watch <= 0 || watch >= WATCHES) return;
  hear(); /* the file may be watched already */
  w->watch = watch, w->writes = told.writes[watch] + told.lost;
}

static bool was_written(const vw_witness *w) {
  hear();
  return w->watch && told.writes[w->watch] + told.lost != w->writes;
}

/* ---- looks ------------------------------------------------------------------------------------------------------- */

static bool looks_like(const vw_witness *a, const vw_witness *b) {
  return a->inode == b->inode && a->bytes == b->bytes && a->modified == b->modified &&
         a->modified_ns == b->modified_ns && a->changed == b->changed && a->changed_ns == b->changed_ns;
}

static vw_status look(const char *path, vw_witness *w) {
  struct stat info;
  VW_CHECK(stat(path, &info) == 0, VW_ERR_IO, "%s: cannot look at it any more: %s; put it back and run again", path,
           strerror(errno));
  vw_witness_take(w, &info);
  return VW_OK;
}

static vw_status has_changed(const char *path) {
  return VW_RAISE(VW_ERR_IO,
                  "%s: changed while this run used it: what was computed since the last commit is dropped; the same "
                  "command starts anew with the file as it is then",
                  path);
}

/* Hashes the file; it must hold the bytes of `hash`. */
static vw_status hash_again(const char *path, vw_hash hash) {
  vw_hash found;
  int64_t bytes = 0;
  VW_TRY(vw_file_hash(path, &found, &bytes));
  return found.lo == hash.lo && found.hi == hash.hi ? VW_OK : has_changed(path);
}

vw_status vw_witness_check(vw_witness *w, const char *path) {
  vw_witness now;
  VW_TRY(look(path, &now));
  const bool same = looks_like(w, &now);
  if (same && !w->too_fresh) return VW_OK;
  if (was_written(w)) return has_changed(path); /* maybe back by now: what was read in between is not known */
  if (!w->hashed) return same ? VW_OK : has_changed(path);
  VW_TRY(hash_again(path, w->hash));
  now.hash = w->hash, now.hashed = true, now.watch = w->watch;
  *w = now;
  return VW_OK;
}

vw_status vw_witness_compare(vw_witness *mine, const vw_witness *theirs, const char *path) {
  if (!theirs->hashed) return VW_OK;
  vw_witness_watch(mine, path);
  if (!looks_like(mine, theirs) || mine->too_fresh) {
    const vw_status st = hash_again(path, theirs->hash);
    if (st == VW_ERR_IO)
      return VW_RAISE(VW_ERR_IO,
                      "%s: rank 0 read other bytes of it than are here: did it change, or do the nodes have "
                      "copies that differ?",
                      path);
    VW_TRY(st);
  }
  mine->hash = theirs->hash, mine->hashed = true;
  return VW_OK;
}

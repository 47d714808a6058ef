/* One run at a time commits to a part of a study (parts: io/parts.h).
 *
 * DIR/.lock (of a named part: DIR/.lock-PART) says who works on it: an epoch (random, new with every taking), host,
 * boot and process namespace, process, and a counter that the owner's thread increments every 10 s in its own file.
 *
 *   The owner is known to be dead (same host, boot, namespace)    it is replaced at once
 *   it is known to live there and is not stopped                  VW_ERR_INPUT
 *   anything else: another host, boot or namespace, a stopped     the taker waits 60 s by its own clock and opens the
 *   process                                                       file again and again; the counter moves:
 * VW_ERR_INPUT; it does not: replaced, with a warning
 *
 * A run that was only asleep may wake up and go on. Therefore every commit below DIR reads the epoch first (a guard of
 * core/durable.h) and fails where it is no longer its own; so do the commits of other ranks, which follow the lock.
 * What slips in between reading and renaming is harmless: block files are written once, with equal bits. */
#ifndef VW_IO_LOCK_H
#define VW_IO_LOCK_H

#include "core/durable.h"
#include "core/status.h"

enum { VW_LOCK_EPOCH = 33, VW_LOCK_OWNER_BYTES = 160 };

struct vw_lock_pulse;

/* All zeros: not held. Must not be moved while it is held or followed. */
typedef struct vw_lock {
  char path[VW_PATH_BYTES], dir[VW_PATH_BYTES];
  char epoch[VW_LOCK_EPOCH];   /* 32 hexadecimal digits */
  bool held;                   /* taken by this process */
  vw_commit_guard guard;       /* while it is held or followed */
  struct vw_lock_pulse *pulse; /* the thread that counts; owned */
} vw_lock;

typedef struct vw_lock_how {
  const char *part;         /* letters, digits, '-', '_'; NULL or "": the whole study */
  bool is_short;            /* an owner that lives is waited for instead of refused: for locks that are held a moment */
  double beat, lease;       /* seconds; 0: what vw_lock_beat and vw_lock_lease say */
  bool (*stop)(void *user); /* asked at least once a second while waiting; may be NULL */
  /* May be NULL: other locks of the folder, by part ("": the whole study's), whose owners must not live while this one
   * is held. They are looked at when it is in place: where one lives this one is given back and refused, a dead one is
   * removed, one that cannot be seen is watched as above. Of two that come at once both may be refused. */
  bool (*excludes)(void *user, const char *part);
  void *user;
} vw_lock_how;

/* 10 and 60; builds with fault points read VISWORDS_LOCK_BEAT and VISWORDS_LOCK_LEASE. */
double vw_lock_beat(void);
double vw_lock_lease(void);

/* Takes the lock of `dir`, which exists; `how` may be NULL. Not collective: rank 0 takes it, the ranks agree, the
 * others follow. lock->held false after VW_OK: how->stop said so. Errors: VW_ERR_ARG (part), VW_ERR_INPUT: another run
 * holds it or one that it excludes (who, and what to do), or it is no file; VW_ERR_IO; VW_ERR_MEMORY: no thread. */
vw_status vw_lock_take(vw_lock *lock, const char *dir, const vw_lock_how *how);

/* Of a rank of the same run: its commits look at the epoch too. `epoch` is that of the rank that holds the lock. */
vw_status vw_lock_follow(vw_lock *lock, const char *dir, const char *part, const char *epoch);

/* Is it still the run's own? VW_OK for a lock that is neither held nor followed. VW_ERR_IO: another run took over
 * (who), or it cannot be read. */
vw_status vw_lock_check(const vw_lock *lock);

/* Who holds the lock of `dir`, for those who only look: false when nobody does. text: "process 17 on node3", or what is
 * known of a lock that a dead process left. */
bool vw_lock_owner(const char *dir, const char *part, char text[VW_LOCK_OWNER_BYTES]);

/* What a lock shows to those who only look. age: seconds since its owner last gave a sign of life, by the clocks of the
 * file system and of this machine. */
typedef struct vw_lock_sign {
  char owner[VW_LOCK_OWNER_BYTES]; /* as vw_lock_owner */
  bool is_dead;                    /* known to be */
  double age;
} vw_lock_sign;
bool vw_lock_look(const char *dir, const char *part, vw_lock_sign *sign);

/* Gives it back, unless another run took it over; ends following. Harmless when it is not held. */
void vw_lock_release(vw_lock *lock);

#endif

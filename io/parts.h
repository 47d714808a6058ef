/* The parts of a study that the jobs of an array work on at the same time, one output directory for all (--part i/n).
 *
 * Part i of n holds the lock .lock-part-<i>-of-<n>, a run of the whole study (also `collect`) holds .lock. Each takes
 * its own lock first and then looks for those that it excludes (io/lock.h): the whole study excludes all parts, a part
 * excludes the whole study and the parts of another n, whose shares would overlap with its own. So whichever comes
 * first, at least one of two that must not work together sees the other; when they come at once both may be refused. */
#ifndef VW_IO_PARTS_H
#define VW_IO_PARTS_H

#include "io/lock.h"

typedef struct vw_study_part {
  int64_t i, n; /* i of 1 .. n; n 0: the whole study */
} vw_study_part;
enum { VW_MOST_PARTS = 100000, VW_PART_TEXT = 48 };

/* "2/4"; NULL: the whole. Errors: VW_ERR_ARG. */
vw_status vw_part_read(const char *text, vw_study_part *part);

/* The lock's part: "part-2-of-4", "" for the whole. */
void vw_part_lock_name(vw_study_part part, char name[VW_PART_TEXT]);

/* vw_lock_take of the part; `stop` may be NULL. Errors: as there. */
vw_status vw_part_lock_take(vw_lock *lock, const char *dir, vw_study_part part, bool (*stop)(void *user));

/* For those who only look: every part's lock in `dir` and its owner (vw_lock_owner), in no order. */
typedef void (*vw_part_visit)(void *user, vw_study_part part, const char *owner);
void vw_part_owners(const char *dir, vw_part_visit visit, void *user);

/* DIR/parts: how many parts there were when a part last began; 0: there never were any. For the owner of a part's lock,
 * under the plan's. Errors: VW_ERR_IO. */
vw_status vw_parts_write(const char *dir, int64_t n);
vw_status vw_parts_read(const char *dir, int64_t *n);

#endif

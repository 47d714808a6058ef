/* One run at a time in an output directory: DIR/.lock holds the host and the process of the run that owns it. */
#ifndef VW_IO_LOCK_H
#define VW_IO_LOCK_H

#include "core/durable.h"
#include "core/status.h"

typedef struct vw_lock {
  char path[VW_PATH_BYTES];
  bool held;
} vw_lock;

/* Takes the lock of `dir`, which exists. A lock left behind by a dead process of this host is taken over; one of
 * another host cannot be judged from here. Not collective: rank 0 takes it, and the ranks agree. Errors: VW_ERR_INPUT:
 * another run holds it (who, and what to do); VW_ERR_IO. */
vw_status vw_lock_take(vw_lock *lock, const char *dir);

/* Who holds the lock of `dir`, for those who only look: false when nobody does. text: "process 17 on node3", or what is
 * known of a lock that a dead process left. */
enum { VW_LOCK_OWNER_BYTES = 160 };
bool vw_lock_owner(const char *dir, char text[VW_LOCK_OWNER_BYTES]);

/* Gives it back; harmless when it is not held. */
void vw_lock_release(vw_lock *lock);

#endif

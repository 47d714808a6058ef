/* What a lock's file says, and what can be known about its owner. Private to io. */
#ifndef VW_IO_LOCK_INTERNAL_H
#define VW_IO_LOCK_INTERNAL_H

#include "io/lock.h"

enum { VW_LOCK_TEXT = 512, VW_LOCK_HOST = 64, VW_LOCK_BOOT = 64 };

typedef struct vw_lock_record {
  char text[VW_LOCK_TEXT];                       /* as in the file; "" when there is none */
  char epoch[VW_LOCK_EPOCH], host[VW_LOCK_HOST]; /* epoch "": written by a viswords that had none */
  char boot[VW_LOCK_BOOT];                       /* "-": unknown */
  long pid;
  unsigned long long space; /* the namespace of process numbers; 0: unknown */
  unsigned long long born;  /* clock ticks since boot: a number that came back is another process; 0: unknown */
} vw_lock_record;

typedef enum vw_lock_life { VW_LOCK_DEAD, VW_LOCK_ALIVE, VW_LOCK_UNKNOWN } vw_lock_life;

/* This process with a new epoch and its text; the counter's digits are the last VW_LOCK_DIGITS before the final line
 * end. Errors: VW_ERR_IO (no random numbers). */
enum { VW_LOCK_DIGITS = 16 };
vw_status vw_lock_record_self(vw_lock_record *self);

/* *there false: no such file. *known false: damaged, e.g. by a power failure. Errors: VW_ERR_IO; VW_ERR_INPUT: a link,
 * a FIFO, ... */
vw_status vw_lock_record_read(const char *path, vw_lock_record *who, bool *there, bool *known);

/* What `self` can know of `who` without waiting. */
vw_lock_life vw_lock_record_life(const vw_lock_record *who, const vw_lock_record *self);

#endif

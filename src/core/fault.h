/* Fault points: named states of a run at which a test can have it killed, stopped or refused.
 *
 *   VISWORDS_FAULT=state[:kind[:nth]]=action[,...]      e.g. fsynced:block:3=kill
 *
 * states: writing, written, fsynced, renamed (of a durable file), checkpointing, taking (a block), looking (amid the
 * fixed set), gathering, reading (study.h5, in the child that does it), drawing (figures, before each), telling (the
 * report, amid its page); any of them.
 * kinds: any (default), or a kind of file by its name: features, texts, plan, lock, block, evaluation, baselines, checkpoint,
 * manifest, study, table, figure, latents, activations, carried, map, truncated, tsne, picture, report. nth: the how manieth time this process comes there, from 1 (default); 0: every time.
 * actions: kill; torn (cut the file to half its bytes, then kill: what a disk leaves that lied about fsync); term, usr1
 * (the signal, to this process); pause (until a signal; SIGRTMIN means no more than that); tell (a line in the log:
 * stage, state, kind of file, path); enospc, edquot, erofs, eio (the state fails as by a full disk, an exceeded quota, a
 * read-only and a failing one).
 *
 * Compiled into builds with VISWORDS_FAULTS (CMake) only; elsewhere a fault point is nothing and the variable is not
 * looked at. One thread a process reaches fault points. */
#ifndef VW_CORE_FAULT_H
#define VW_CORE_FAULT_H

#include "core/status.h"

/* Does what VISWORDS_FAULT asks for here. VW_ERR_IO: an injected failure; VW_ERR_ARG: the variable is malformed. */
vw_status vw_fault_reach(const char *state, const char *path);

/* Reads the variable again and starts counting anew: for tests of this file. */
void vw_fault_reset(void);

/* Ends this process at once, without what was asked for at exit (in a forked child: by its parent). A coverage build
 * writes its counts. */
_Noreturn void vw_fault_exit(int code);

/* A time that tests shorten: the number in the environment's `variable` where it is one above 0. */
double vw_fault_read_seconds(const char *variable, double otherwise);

static inline double vw_fault_seconds(const char *variable, double otherwise) {
#ifdef VW_FAULTS
  return vw_fault_read_seconds(variable, otherwise);
#else
  (void)variable;
  return otherwise;
#endif
}

static inline vw_status vw_fault(const char *state, const char *path) {
#ifdef VW_FAULTS
  return vw_fault_reach(state, path);
#else
  (void)state, (void)path;
  return VW_OK;
#endif
}

#endif

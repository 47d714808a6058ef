/* The ranks that learn a block together: a team of a few neighbours, its first rank the leader.
 *
 * A step's pictures are cut into slices, a number that the plan fixes (vw_block.slices). Each member computes the
 * gradient of some of them, all members add all slices in their order (vw_transport_sum) and make the same update: so
 * the bits depend on the slices, never on how many ranks share them. Only the leader takes blocks, saves and writes.
 *
 * Between two exchanges of data the members meet. A member that fails meets once more and says so: the others learn it
 * at their next meeting and leave, nobody waits for somebody who has gone. */
#ifndef VW_LEARN_TEAM_H
#define VW_LEARN_TEAM_H

#include "cluster/transport.h"
#include "kernels/memory.h"

typedef struct vw_team {
  vw_transport *talk; /* of host memory: what members tell each other */
  vw_transport *data; /* of the backend's memory */
  int rank, size;     /* in the team; 0 leads */
  int first;          /* rank of the leader among all */
  bool ended;         /* somebody has failed: there are no more meetings */
  int64_t *notes;     /* [size, 2] of a meeting, then bytes [size] */
} vw_team;

enum { VW_TEAM_STOP = 1, VW_TEAM_SAVE = 2, VW_TEAM_FAILED = 4 };

/* Collective over all ranks: teams of `size` ranks next to each other, the last one of what is left. A team of one is
 * allowed. The caller closes it, after a failure too. */
vw_status vw_team_open(vw_team *t, const vw_ranks *ranks, vw_context *ctx, int64_t size);
void vw_team_close(vw_team *t);

/* Collective in the team. *wants: what this member wants in, what any of them wants out (VW_TEAM_*). *value (may be
 * NULL): the leader's comes to all. `mine` not VW_OK: tells the others, and is returned; they get VW_OK and
 * VW_TEAM_FAILED. Errors: VW_ERR_COMM where a member does not come. */
vw_status vw_team_meet(vw_team *t, vw_status mine, unsigned *wants, int64_t *value);

/* Somebody cannot be reached any more: MPI_Finalize would wait for it, so the job must end (vw_ranks_abort). */
bool vw_team_is_broken(const vw_team *t);

#endif

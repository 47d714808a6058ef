#include "cluster/split.h"

#include <stdlib.h>
#include <time.h>

#include "cluster/comm.h"
#include "core/pulse.h"

static vw_status open_comms(vw_ranks *part) {
  const vw_comms *c = part->comms;
  VW_TRY(VW_MPI(MPI_Comm_set_errhandler, c->all, MPI_ERRORS_RETURN));
  VW_TRY(VW_MPI(MPI_Comm_rank, c->all, &part->rank));
  VW_TRY(VW_MPI(MPI_Comm_size, c->all, &part->size));
  VW_TRY(VW_MPI(MPI_Comm_split_type, c->all, MPI_COMM_TYPE_SHARED, part->rank, MPI_INFO_NULL, &part->comms->node));
  VW_TRY(VW_MPI(MPI_Comm_rank, c->node, &part->local_rank));
  return VW_MPI(MPI_Comm_size, c->node, &part->local_size);
}

vw_status vw_ranks_split(const vw_ranks *all, int n, vw_ranks *part, bool *is_in) {
  *is_in = all->rank < n;
  vw_ranks_single(part);
  VW_CHECK(n >= 1 && n <= all->size, VW_ERR_ARG, "vw_ranks_split: %d of %d ranks", n, all->size);
  if (!all->comms) return VW_OK;
  part->cores = all->cores, part->threads = all->threads;
  vw_comms *c = calloc(1, sizeof *c);
  VW_TRY(vw_agree(all, c ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "vw_ranks_split: out of memory")));
  c->all = c->node = MPI_COMM_NULL;
  part->comms = c;
  VW_TRY(VW_MPI(MPI_Comm_split, all->comms->all, *is_in ? 0 : MPI_UNDEFINED, all->rank, &c->all));
  return *is_in ? open_comms(part) : VW_OK;
}

void vw_ranks_split_close(vw_ranks *part) {
  if (!part->comms) return;
  if (part->comms->node != MPI_COMM_NULL) (void)MPI_Comm_free(&part->comms->node);
  if (part->comms->all != MPI_COMM_NULL) (void)MPI_Comm_free(&part->comms->all);
  free(part->comms);
  part->comms = NULL;
}

vw_status vw_ranks_rest(const vw_ranks *r) {
  MPI_Request request = MPI_REQUEST_NULL;
  int flag = 0;
  if (!r->comms) return VW_OK;
  vw_pulse_wait();
  vw_status st = VW_MPI(MPI_Ibarrier, r->comms->all, &request);
  while (st == VW_OK && !flag) {
    st = VW_MPI(MPI_Test, &request, &flag, MPI_STATUS_IGNORE);
    if (!flag) (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
  }
  vw_pulse_resume();
  return st;
}

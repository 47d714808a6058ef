#include "cluster/ranks.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cluster/comm.h"
#include "cluster/mpi_files.h"
#include "core/cores.h"
#include "core/fault.h"
#include "core/pulse.h"

enum { PIECE = 64 << 20, MESSAGE_BYTES = 1024, ENDED_WITHIN = 10 /* s */ };

vw_status vw_mpi_status(const char *function, int code) {
  char text[MPI_MAX_ERROR_STRING + 1] = "";
  int length = 0;
  if (code == MPI_SUCCESS) return VW_OK;
  if (MPI_Error_string(code, text, &length) != MPI_SUCCESS) (void)snprintf(text, sizeof text, "error %d", code);
  return VW_RAISE(VW_ERR_COMM, "%s: %s", function, text);
}

static double quota(void) {
  return vw_cores_quota("/proc/self/cgroup", "/sys/fs/cgroup");
}

/* Launchers give the ranks of a node masks of their own, or all the same one. */
static vw_status share_cores(vw_ranks *r) {
  int32_t *mine = calloc((size_t)2 * VW_MOST_CORES, sizeof *mine), *all = mine + VW_MOST_CORES;
  VW_CHECK(mine, VW_ERR_MEMORY, "vw_ranks_open: out of memory");
  (void)vw_cores_mask(mine);
  const vw_status st = VW_MPI(MPI_Allreduce, mine, all, VW_MOST_CORES, MPI_INT32_T, MPI_SUM, r->comms->node);
  if (st == VW_OK) r->cores = vw_cores_share(mine, all, quota(), r->local_size);
  free(mine);
  return st;
}

/* Behind a collective call, before which vw_pulse_wait was called: another rank's time is not this one's. */
static int resumed(int code) {
  vw_pulse_resume();
  return code;
}

void vw_ranks_single(vw_ranks *r) {
  int32_t mask[VW_MOST_CORES];
  (void)vw_cores_mask(mask);
  *r = (vw_ranks){.size = 1, .local_size = 1, .thread_level = -1};
  r->cores = vw_cores_share(mask, mask, quota(), 1);
  if (gethostname(r->host, sizeof r->host - 1) != 0) (void)snprintf(r->host, sizeof r->host, "localhost");
}

static int wanted_level(void) {
  static const struct {
    const char *name;
    int level;
  } levels[] = {
      {"single", MPI_THREAD_SINGLE}, {"funneled", MPI_THREAD_FUNNELED}, {"serialized", MPI_THREAD_SERIALIZED}};
  const char *text = getenv("VISWORDS_MPI_THREADS");
  for (size_t i = 0; text && i < sizeof levels / sizeof *levels; i++)
    if (strcmp(text, levels[i].name) == 0) return levels[i].level;
  return MPI_THREAD_MULTIPLE;
}

/* How many ranks the launcher says it started; 0: it says nothing. The inner launcher first: mpirun in a Slurm job. */
static int64_t ranks_started(void) {
  static const char *const counts[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"};
  for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
    const char *text = getenv(counts[i]);
    if (text && *text) return strtoll(text, NULL, 10);
  }
  return 0;
}

static const char *const srun_way_out =
    "use 'srun --mpi=pmix' ('srun --mpi=list' shows what there is; pmi2 for an MPICH built with it), or mpirun inside "
    "the job";

/* Before MPI starts: in a step of srun without any PMI each process would be a run of one rank, and n of them would
 * write to one directory. Open MPI 4 does not start so at all, not even alone. */
static vw_status find_pmi(void) {
  static const char *const marks[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMI_RANK", "PMI_FD", "PMIX_RANK",
                                      "PMIX_NAMESPACE"};
#if defined OPEN_MPI && OMPI_MAJOR_VERSION < 5
  enum { MOST_ALONE = 0 };
#else
  enum { MOST_ALONE = 1 };
#endif
  const char *tasks = getenv("SLURM_STEP_NUM_TASKS");
  if (!tasks || strtoll(tasks, NULL, 10) <= MOST_ALONE) return VW_OK;
  for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
    if (getenv(marks[i])) return VW_OK;
  return VW_RAISE(VW_ERR_ARG, "srun started %s without a PMI: MPI cannot find its ranks; %s",
                  strcmp(tasks, "1") != 0 ? "processes" : "this process", srun_way_out);
}

/* A PMI that this MPI does not speak, or another MPI's launcher: the same. */
static vw_status find_peers(const vw_ranks *r) {
  const int64_t started = r->size == 1 ? ranks_started() : 0;
  const bool is_srun = getenv("SLURM_STEP_NUM_TASKS") && !getenv("OMPI_COMM_WORLD_SIZE");
  VW_CHECK(started <= 1, VW_ERR_ARG, "the launcher started %lld processes, but MPI sees one rank in each: %s",
           (long long)started,
           is_srun ? srun_way_out : "start viswords with the mpirun of the MPI that it was built with");
  return VW_OK;
}

vw_status vw_ranks_open(vw_ranks *r, int *argc, char ***argv) {
  int is_on = 0;
  vw_ranks_single(r);
  VW_TRY(VW_MPI(MPI_Initialized, &is_on));
  VW_CHECK(!is_on, VW_ERR_ARG, "vw_ranks_open: MPI is initialised already; open the ranks once a process");
  VW_TRY(find_pmi());
  const char *file_warning = vw_mpi_files_choose();
  VW_TRY(VW_MPI(MPI_Init_thread, argc, argv, wanted_level(), &r->thread_level));
  r->threads = r->thread_level == MPI_THREAD_MULTIPLE;
  r->comms = calloc(1, sizeof *r->comms);
  VW_CHECK(r->comms, VW_ERR_MEMORY, "vw_ranks_open: out of memory");
  r->comms->all = r->comms->node = MPI_COMM_NULL;
  r->comms->file_warning = file_warning;
  VW_TRY(VW_MPI(MPI_Comm_set_errhandler, MPI_COMM_WORLD, MPI_ERRORS_RETURN));
  VW_TRY(VW_MPI(MPI_Comm_dup, MPI_COMM_WORLD, &r->comms->all));
  VW_TRY(VW_MPI(MPI_Comm_set_errhandler, r->comms->all, MPI_ERRORS_RETURN));
  VW_TRY(VW_MPI(MPI_Comm_rank, r->comms->all, &r->rank));
  VW_TRY(VW_MPI(MPI_Comm_size, r->comms->all, &r->size));
  VW_TRY(find_peers(r));
  VW_TRY(VW_MPI(MPI_Comm_split_type, r->comms->all, MPI_COMM_TYPE_SHARED, r->rank, MPI_INFO_NULL, &r->comms->node));
  VW_TRY(VW_MPI(MPI_Comm_rank, r->comms->node, &r->local_rank));
  VW_TRY(VW_MPI(MPI_Comm_size, r->comms->node, &r->local_size));
  return share_cores(r);
}

void vw_ranks_close(vw_ranks *r) {
  int is_on = 0, is_off = 0;
  const bool no_finalize = r->comms && r->comms->no_finalize;
  if (no_finalize) (void)MPI_Barrier(r->comms->all); /* the first process that ends takes the others with it */
#ifndef OPEN_MPI
  /* MPICH's launcher reports 0 now and then where several ranks that failed end at once without MPI_Finalize: one ends
   * the job, the others are ended by it. */
  if (no_finalize) {
    (void)fflush(NULL);
    if (r->rank == 0) (void)MPI_Abort(r->comms->all, 1);
    (void)sleep(ENDED_WITHIN);
  }
#endif
  if (r->comms && !no_finalize) {
    if (r->comms->node != MPI_COMM_NULL) (void)MPI_Comm_free(&r->comms->node);
    if (r->comms->all != MPI_COMM_NULL) (void)MPI_Comm_free(&r->comms->all);
  }
  free(r->comms);
  r->comms = NULL;
  if (r->thread_level < 0 || no_finalize) return; /* never opened: MPI may belong to somebody else */
  if (MPI_Initialized(&is_on) == MPI_SUCCESS && is_on && MPI_Finalized(&is_off) == MPI_SUCCESS && !is_off)
    (void)MPI_Finalize();
  r->thread_level = -1;
}

_Noreturn void vw_ranks_abort(const vw_ranks *r, int exit_code) {
  if (r->comms) (void)MPI_Abort(r->comms->all, exit_code);
  vw_fault_exit(exit_code);
}

vw_status vw_ranks_barrier(const vw_ranks *r) {
  if (!r->comms) return VW_OK;
  vw_pulse_wait();
  return vw_mpi_status("MPI_Barrier", resumed(MPI_Barrier(r->comms->all)));
}

vw_status vw_agree(const vw_ranks *r, vw_status mine) {
  int ends[2] = {(int)mine, -(int)mine};
  if (!r->comms) return mine;
  vw_pulse_wait();
  const int err = resumed(MPI_Allreduce(MPI_IN_PLACE, ends, 2, MPI_INT, MPI_MIN, r->comms->all));
  if (err != MPI_SUCCESS) return vw_first(mine, vw_mpi_status("MPI_Allreduce", err));
  return (vw_status)(ends[0] < 0 ? ends[0] : -ends[1]);
}

vw_status vw_agree_message(const vw_ranks *r, vw_status mine) {
  const vw_status all = vw_agree(r, mine);
  char text[MESSAGE_BYTES] = "";
  int speaker = mine == all ? r->rank : INT_MAX;
  if (all == VW_OK || !r->comms) return all;
  vw_pulse_wait();
  int err = resumed(MPI_Allreduce(MPI_IN_PLACE, &speaker, 1, MPI_INT, MPI_MIN, r->comms->all));
  if (err != MPI_SUCCESS || speaker >= r->size) return all;
  if (speaker == r->rank)
    (void)snprintf(text, sizeof text, "rank %d on %s: %.900s", r->rank, r->host, vw_error_message());
  vw_pulse_wait();
  err = resumed(MPI_Bcast(text, (int)sizeof text, MPI_CHAR, speaker, r->comms->all));
  if (err == MPI_SUCCESS && speaker != r->rank) return VW_RAISE(all, "%s", text);
  return all;
}

vw_status vw_ranks_broadcast(const vw_ranks *r, void *buffer, int64_t bytes, int root) {
  VW_CHECK(bytes >= 0 && root >= 0 && root < r->size, VW_ERR_ARG, "vw_ranks_broadcast: %lld bytes from rank %d of %d",
           (long long)bytes, root, r->size);
  if (r->size == 1) return VW_OK;
  for (int64_t at = 0; at < bytes; at += PIECE) {
    const int n = (int)(bytes - at < PIECE ? bytes - at : PIECE);
    vw_pulse_wait();
    VW_TRY(vw_mpi_status("MPI_Bcast", resumed(MPI_Bcast((char *)buffer + at, n, MPI_BYTE, root, r->comms->all))));
  }
  return VW_OK;
}

/* Rank 0: where each rank's bytes go. Offsets are ints for MPI. */
static vw_status place(const int64_t *counts, int size, int *n, int *offset, int64_t *total) {
  *total = 0;
  for (int i = 0; i < size; i++) {
    n[i] = (int)counts[i], offset[i] = (int)*total;
    *total += counts[i];
    VW_CHECK(*total <= INT_MAX, VW_ERR_ARG, "vw_ranks_gather: more than 2 GiB in all");
  }
  return VW_OK;
}

vw_status vw_ranks_gather(const vw_ranks *r, const void *mine, int64_t bytes, void **all, int64_t *counts) {
  vw_status st = bytes >= 0 && bytes <= INT_MAX ? VW_OK : VW_RAISE(VW_ERR_ARG, "vw_ranks_gather: bad size");
  int64_t total = bytes;
  static const char nothing;
  int *n = NULL;
  *all = NULL;
  if (r->comms) {
    vw_pulse_wait();
    VW_TRY(vw_mpi_status("MPI_Gather",
                         resumed(MPI_Gather(&bytes, 1, MPI_INT64_T, counts, 1, MPI_INT64_T, 0, r->comms->all))));
  }
  if (!r->comms) counts[0] = bytes;
  if (r->rank == 0) {
    n = calloc((size_t)r->size, 2 * sizeof *n);
    if (st == VW_OK && n) st = place(counts, r->size, n, n + r->size, &total);
    if (st == VW_OK && (!n || !(*all = malloc((size_t)total + 1))))
      st = VW_RAISE(VW_ERR_MEMORY, "vw_ranks_gather: out of memory for %lld bytes", (long long)total);
  }
  st = vw_agree(r, st);
  if (st == VW_OK && r->comms) {
    vw_pulse_wait();
    st = vw_mpi_status("MPI_Gatherv", resumed(MPI_Gatherv(mine, (int)bytes, MPI_BYTE, *all, n, n ? n + r->size : NULL,
                                                          MPI_BYTE, 0, r->comms->all)));
  } else if (st == VW_OK && *all)
    memcpy(*all, bytes ? mine : &nothing, (size_t)bytes);
  if (st != VW_OK) free(*all), *all = NULL;
  free(n);
  return st;
}

vw_status vw_ranks_reduce(const vw_ranks *r, int64_t *x, int n, vw_reduce how) {
  const MPI_Op op = how == VW_REDUCE_SUM ? MPI_SUM : how == VW_REDUCE_MIN ? MPI_MIN : MPI_MAX;
  if (!r->comms) return VW_OK;
  vw_pulse_wait();
  return vw_mpi_status("MPI_Allreduce", resumed(MPI_Allreduce(MPI_IN_PLACE, x, n, MPI_INT64_T, op, r->comms->all)));
}

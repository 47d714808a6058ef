/* Run under mpirun by test_ranks.sh: gathering when rank 0 has no memory for it, and the end of a process without MPI.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cluster/ranks.h"
#include "tests/support/fail.h"

/* Rank 0's nth allocation fails: every rank hears of it, nobody waits for bytes that nobody takes. */
static vw_status check_gather(const vw_ranks *r, int64_t nth, bool *happened) {
  char mine[8] = "1234567";
  int64_t counts[64];
  void *all = NULL;
  fail_at(FAIL_MEMORY, r->rank == 0 ? nth : INT64_MAX, ENOMEM, false);
  const vw_status st = vw_ranks_gather(r, mine, sizeof mine, &all, counts);
  *happened = fail_off();
  int64_t failed = *happened;
  VW_TRY(vw_ranks_reduce(r, &failed, 1, VW_REDUCE_SUM));
  const bool ok = st == (failed ? VW_ERR_MEMORY : VW_OK) && !all == (failed || r->rank);
  free(all);
  VW_CHECK(ok, VW_ERR_COMM, "gather, allocation %lld: %s", (long long)nth, vw_status_name(st));
  return VW_OK;
}

/* Ranks that never met MPI: the process ends with the code that was asked for. */
static vw_status check_abort_alone(void) {
  vw_ranks single;
  int how = 0;
  vw_ranks_single(&single);
  const pid_t child = fork();
  if (child == 0) vw_ranks_abort(&single, 7);
  VW_CHECK(child > 0 && waitpid(child, &how, 0) == child, VW_ERR_IO, "fork");
  VW_CHECK(WIFEXITED(how) && WEXITSTATUS(how) == 7, VW_ERR_ARG, "abort: the process ended with %x", how);
  return VW_OK;
}

static vw_status check_all(const vw_ranks *r) {
  bool happened = false;
  int64_t places = 0;
  for (int64_t nth = 1; nth <= 3; nth++) {
    VW_TRY(vw_agree_message(r, check_gather(r, nth, &happened)));
    places += happened;
  }
  VW_CHECK(places == (r->rank == 0 ? 2 : 0), VW_ERR_ARG, "%lld allocations failed", (long long)places);
  return VW_OK;
}

int main(int argc, char **argv) {
  vw_ranks r;
  vw_status st = check_abort_alone();
  if (st == VW_OK) st = vw_ranks_open(&r, &argc, &argv);
  if (st == VW_OK) st = vw_agree_message(&r, check_all(&r));
  if (st != VW_OK) (void)fprintf(stderr, "%s\n%s", vw_error_message(), vw_error_trail());
  vw_ranks_close(&r);
  return st == VW_OK ? 0 : 1;
}

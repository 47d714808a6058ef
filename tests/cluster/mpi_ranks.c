/* Run under mpirun by test_ranks.sh: agreeing, broadcasting, gathering, the table of sections; with the argument
 * "abort" a rank that ends the job while the others wait for it. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/ranks.h"
#include "cluster/sections.h"

enum { BIG = (130 << 20) + 3 }; /* more than two pieces of a broadcast, and an odd end */

static vw_status check_agree(const vw_ranks *r) {
  const bool last = r->rank == r->size - 1;
  VW_CHECK(vw_agree_message(r, VW_OK) == VW_OK, VW_ERR_ARG, "agree on success");
  vw_status mine = last ? VW_RAISE(VW_ERR_INPUT, "the picture is torn") : VW_OK;
  VW_CHECK(vw_agree_message(r, mine) == VW_ERR_INPUT, VW_ERR_ARG, "agree on bad input");
  VW_CHECK(strstr(vw_error_message(), "the picture is torn"), VW_ERR_ARG, "message: %s", vw_error_message());
  VW_CHECK(last || strstr(vw_error_message(), "rank "), VW_ERR_ARG, "message: %s", vw_error_message());
  if (r->size == 1) return VW_OK;
  mine = last ? VW_RAISE(VW_ERR_IO, "the disk is full") : VW_RAISE(VW_ERR_ARG, "a mistake");
  VW_CHECK(vw_agree_message(r, mine) == VW_ERR_IO, VW_ERR_ARG, "the more severe counts");
  return VW_OK;
}

static vw_status check_broadcast(const vw_ranks *r) {
  unsigned char *x = calloc(1, BIG);
  VW_CHECK(x, VW_ERR_MEMORY, "memory");
  const int root = r->size - 1;
  if (r->rank == root) x[0] = 1, x[64 << 20] = 2, x[BIG - 1] = 3;
  const vw_status st = vw_ranks_broadcast(r, x, BIG, root);
  const bool ok = x[0] == 1 && x[64 << 20] == 2 && x[BIG - 1] == 3;
  free(x);
  VW_TRY(st);
  VW_CHECK(ok, VW_ERR_COMM, "broadcast");
  return VW_OK;
}

/* Rank r sends r bytes of value r. */
static vw_status check_gather(const vw_ranks *r) {
  char mine[64], *all = NULL;
  int64_t counts[64], at = 0;
  bool ok = true;
  memset(mine, r->rank, sizeof mine);
  VW_TRY(vw_ranks_gather(r, mine, r->rank, (void **)&all, counts));
  for (int i = 0; r->rank == 0 && i < r->size; i++) {
    ok = ok && counts[i] == i;
    for (int j = 0; j < i; j++) ok = ok && all[at++] == i;
  }
  free(all);
  VW_CHECK(ok, VW_ERR_COMM, "gather");
  return VW_OK;
}

/* What MPI cannot count is refused on all ranks, before any byte is sent. */
static vw_status check_gather_refused(const vw_ranks *r) {
  void *all = NULL;
  int64_t counts[64];
  const char mine = 0;
  const int64_t too_many = r->size == 1 ? (int64_t)INT_MAX + 1 : INT_MAX;
  for (int i = 0; i < 2; i++) {
    const vw_status st = vw_ranks_gather(r, &mine, i ? too_many : -1, &all, counts);
    VW_CHECK(st == VW_ERR_ARG && !all, VW_ERR_COMM, "gather of %lld bytes a rank: %s", (long long)(i ? too_many : -1),
             vw_status_name(st));
  }
  return VW_OK;
}

static vw_status check_sections(const vw_ranks *r) {
  vw_sections s = {0};
  vw_section_stats *stats = NULL;
  int64_t n = 0;
  vw_sections_add(&s, "learn", "step", 1 + r->rank);
  if (r->rank == r->size - 1) vw_sections_add(&s, "learn", "late", 4);
  VW_TRY(vw_sections_gather(r, &s, &stats, &n));
  if (r->rank != 0) return VW_OK;
  vw_sections_print(stdout, stats, n, r->size);
  const bool ok = n == 2 && stats[0].min == 1 && stats[0].max == r->size && stats[0].calls == r->size &&
                  stats[1].max == 4 && stats[1].min == (r->size == 1 ? 4 : 0) && stats[1].mean == 4.0 / r->size;
  free(stats);
  VW_CHECK(ok, VW_ERR_ARG, "sections");
  return VW_OK;
}

/* The last rank gives up; the others are in a call that would never return. */
static int end_by_force(const vw_ranks *r) {
  if (r->rank == r->size - 1) vw_ranks_abort(r, 7);
  (void)vw_ranks_barrier(r);
  return 0;
}

int main(int argc, char **argv) {
  vw_ranks r;
  vw_status st = vw_ranks_open(&r, &argc, &argv);
  if (st == VW_OK && argc > 1 && strcmp(argv[1], "abort") == 0) return end_by_force(&r);
  int64_t x[2] = {r.rank, -r.rank};
  if (st == VW_OK) st = vw_agree_message(&r, check_agree(&r));
  if (st == VW_OK) st = vw_agree_message(&r, check_broadcast(&r));
  if (st == VW_OK) st = vw_agree_message(&r, check_gather(&r));
  if (st == VW_OK) st = vw_agree_message(&r, check_gather_refused(&r));
  if (st == VW_OK) st = vw_agree_message(&r, check_sections(&r));
  if (st == VW_OK) st = vw_ranks_reduce(&r, x, 2, VW_REDUCE_MAX);
  if (st == VW_OK && (x[0] != r.size - 1 || x[1] != 0)) st = VW_RAISE(VW_ERR_COMM, "reduce");
  if (st == VW_OK && (r.local_size != r.size || r.local_rank != r.rank)) st = VW_RAISE(VW_ERR_COMM, "local ranks");
  if (st != VW_OK) (void)fprintf(stderr, "rank %d: %s\n", r.rank, vw_error_message());
  vw_ranks_close(&r);
  return st == VW_OK ? 0 : 1;
}

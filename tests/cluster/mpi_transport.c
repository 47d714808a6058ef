/* Run under mpirun by test_transport.sh: the table of transport_cases.h on the host's memory and on memory that only
 * the callbacks may touch; more than 2 GiB; a peer that comes too late, and one that dies. */
#include "cluster/progress.h"
#include "tests/cluster/transport_cases.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

static vw_status host_allocate(void *user, size_t bytes, void **out) {
  (void)user;
  *out = malloc(bytes);
  VW_CHECK(*out, VW_ERR_MEMORY, "memory");
  return VW_OK;
}

static void host_release(void *user, void *p) {
  (void)user;
  free(p);
}

/* A device's addresses: following one on the host is a fault. `user` counts the pieces of pinned memory held. */
static const uintptr_t away = (uintptr_t)1 << 60;

static void *there(const void *p) {
  return (void *)((uintptr_t)p ^ away);
}

static vw_status away_allocate(void *user, size_t bytes, void **out) {
  VW_TRY(host_allocate(user, bytes, out));
  *out = there(*out);
  return VW_OK;
}

static void away_release(void *user, void *p) {
  host_release(user, there(p));
}

static vw_status to_host(void *user, void *host, const void *memory, size_t bytes) {
  (void)user;
  memcpy(host, there(memory), bytes);
  return VW_OK;
}

static vw_status from_host(void *user, void *memory, const void *host, size_t bytes) {
  (void)user;
  memcpy(there(memory), host, bytes);
  return VW_OK;
}

static vw_status pin(void *user, size_t bytes, void **out) {
  ++*(int *)user;
  return host_allocate(user, bytes, out);
}

static void unpin(void *user, void *p) {
  --*(int *)user;
  free(p);
}

static vw_status check_memories(const vw_ranks *r) {
  int pinned = 0;
  const test_memory host = {.name = "host", .allocate = host_allocate, .release = host_release};
  const test_memory apart = {
      .name = "away",
      .m = {.user = &pinned, .to_host = to_host, .from_host = from_host, .allocate_host = pin, .release_host = unpin},
      .allocate = away_allocate,
      .release = away_release};
  VW_TRY(check_transport(r, &host, VW_TRANSPORT_MPI));
  VW_TRY(check_transport(r, &apart, VW_TRANSPORT_AUTO));
  VW_CHECK(pinned == 0, VW_ERR_MEMORY, "%d pieces of pinned memory were not given back", pinned);
  return VW_OK;
}

/* Options that cannot be, on all ranks alike; nccl where there is no device says why. */
static vw_status check_refusals(const vw_ranks *r) {
  vw_transport *t = NULL;
  vw_transport_options o = {.kind = VW_TRANSPORT_NCCL};
  VW_CHECK(vw_transport_open(&t, r, &o) == VW_ERR_UNSUPPORTED && !t, VW_ERR_ARG, "nccl on host memory");
  VW_CHECK(strstr(vw_error_message(), "--backend cuda"), VW_ERR_ARG, "message: %s", vw_error_message());
  if (r->rank == 0) (void)printf("nccl: skipped: %s\n", vw_error_message());
  o = (vw_transport_options){.piece = r->rank == 0 ? -1 : 64};
  VW_CHECK(vw_transport_open(&t, r, &o) == VW_ERR_ARG && !t, VW_ERR_ARG, "a negative piece on one rank");
  o = (vw_transport_options){.memory = {.to_host = to_host}};
  VW_CHECK(vw_transport_open(&t, r, &o) == VW_ERR_ARG && !t, VW_ERR_ARG, "copies one way only");
  o = (vw_transport_options){.kind = r->rank == 0 ? VW_TRANSPORT_MPI : VW_TRANSPORT_AUTO};
  VW_CHECK((vw_transport_open(&t, r, &o) == VW_OK) == (r->size == 1), VW_ERR_ARG, "ranks that differ");
  vw_transport_close(t);
  return VW_OK;
}

enum { PAGES = 4 << 20 };
static const int64_t big = (INT64_C(2) << 30) + PAGES;

/* More than 2 GiB of addresses over 4 MiB of memory, again and again: what arrives must have that period too. */
static vw_status check_big(const vw_ranks *r) {
  const int file = memfd_create("transport", 0);
  unsigned char *x =
      mmap(NULL, (size_t)big + PAGES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  vw_transport *t = NULL;
  VW_CHECK(file >= 0 && x != MAP_FAILED && ftruncate(file, PAGES) == 0, VW_ERR_MEMORY, "memory");
  for (int64_t at = 0; at < big; at += PAGES)
    VW_CHECK(mmap(x + at, PAGES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, 0) != MAP_FAILED, VW_ERR_MEMORY,
             "memory");
  for (int64_t i = 0; i < PAGES && r->rank == 0; i++) x[i] = pattern(0, i);
  const vw_transport_options o = {.kind = VW_TRANSPORT_MPI, .timeout = 60};
  VW_TRY(vw_transport_open(&t, r, &o));
  VW_TRY(vw_transport_broadcast(t, x, big - 12345, 0));
  for (int64_t i = 0; i < PAGES; i += 4093) VW_CHECK(x[i] == pattern(0, i), VW_ERR_COMM, "byte %" PRId64, i);
  if (r->rank != 0) memset(x, 0, PAGES);
  int64_t parts[64] = {0};
  parts[0] = big, parts[r->size - 1] = 77; /* this part lies beyond 2 GiB, in memory of its own */
  if (r->rank == r->size - 1) memset(x + big, 0xab, 77);
  VW_TRY(vw_transport_gather(t, x, parts, VW_ALL_RANKS));
  VW_CHECK(x[big] == 0xab && x[big + 76] == 0xab && x[big + 77] == 0, VW_ERR_COMM, "the part beyond 2 GiB");
  vw_transport_close(t);
  (void)munmap(x, (size_t)big + PAGES), (void)close(file);
  return VW_OK;
}

/* The last rank, whom all wait for, comes only when the others have given up. */
static vw_status check_late(const vw_ranks *r) {
  const vw_transport_options o = {.kind = VW_TRANSPORT_MPI, .timeout = 0.5};
  const int root = r->size - 1;
  vw_transport *t = NULL;
  int64_t word = 7;
  vw_status st = VW_OK;
  VW_TRY(vw_transport_open(&t, r, &o));
  if (r->rank != root) {
    const double start = vw_seconds();
    st = vw_transport_broadcast(t, &word, sizeof word, root);
    const double took = vw_seconds() - start;
    VW_CHECK(st == VW_ERR_COMM && vw_transport_is_broken(t), VW_ERR_ARG, "a peer that does not come is no error");
    VW_CHECK(took >= 0.5 && took < 5, VW_ERR_ARG, "gave up after %.3g s", took);
    VW_CHECK(strstr(vw_error_message(), "VISWORDS_TRANSPORT_TIMEOUT"), VW_ERR_ARG, "message: %s", vw_error_message());
    if (r->rank == 0) (void)printf("late: %s\n", vw_error_message());
    VW_CHECK(vw_transport_broadcast(t, &word, sizeof word, root) == VW_ERR_COMM, VW_ERR_ARG, "broken, and goes on");
  }
  VW_TRY(vw_ranks_barrier(r));
  if (r->rank == root) VW_TRY(vw_transport_broadcast(t, &word, sizeof word, root));
  VW_TRY(vw_ranks_barrier(r));
  vw_transport_close(t);
  return VW_OK;
}

/* The last rank dies while the others wait for it. */
static vw_status check_dead(const vw_ranks *r) {
  const vw_transport_options o = {.kind = VW_TRANSPORT_MPI, .timeout = 30};
  vw_transport *t = NULL;
  int64_t word = 7;
  VW_TRY(vw_transport_open(&t, r, &o));
  if (r->rank == r->size - 1) (void)raise(SIGKILL);
  return vw_transport_broadcast(t, &word, sizeof word, r->size - 1);
}

int main(int argc, char **argv) {
  const char *what = argc > 1 ? argv[1] : "table";
  vw_ranks r;
  vw_status st = vw_ranks_open(&r, &argc, &argv);
  if (st == VW_OK && !strcmp(what, "table")) {
    st = vw_agree_message(&r, check_memories(&r));
    if (st == VW_OK) st = vw_agree_message(&r, check_refusals(&r));
  }
  if (st == VW_OK && !strcmp(what, "big")) st = vw_agree_message(&r, check_big(&r));
  if (st == VW_OK && !strcmp(what, "late")) st = vw_agree_message(&r, check_late(&r));
  if (st == VW_OK && !strcmp(what, "dead")) st = check_dead(&r);
  if (st != VW_OK) (void)fprintf(stderr, "rank %d: %s\n%s", r.rank, vw_error_message(), vw_error_trail());
  vw_ranks_close(&r);
  return st == VW_OK ? 0 : 1;
}

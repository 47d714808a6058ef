/* The table of transport tests, for every kind and every memory: mpi_transport.c here runs it on the host's memory and
 * on memory that the host must not touch; tests/learn/mpi_transport.c on a backend's. */
#ifndef VW_TESTS_CLUSTER_TRANSPORT_CASES_H
#define VW_TESTS_CLUSTER_TRANSPORT_CASES_H

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/transport.h"

/* How a test gets memory of the kind that a transport moves. */
typedef struct test_memory {
  const char *name;
  vw_transport_memory m;
  vw_status (*allocate)(void *user, size_t bytes, void **out);
  void (*release)(void *user, void *p);
} test_memory;

typedef struct transport_case {
  const char *name;
  int64_t bytes, piece; /* piece 0: the default */
} transport_case;

static const transport_case transport_cases[] = {
    {"nothing", 0, 0},
    {"one byte", 1, 0},
    {"odd 77", 77, 0},
    {"one whole piece", 64, 64},
    {"a piece and a byte", 65, 64},
    {"143 pieces of 7 bytes", 1001, 7},
    {"three pieces of 256 KiB, odd end", (513 << 10) + 3, 256 << 10},
};

static vw_status test_get(const test_memory *w, void *host, const void *memory, int64_t bytes) {
  if (w->m.to_host) return w->m.to_host(w->m.user, host, memory, (size_t)bytes);
  memcpy(host, memory, (size_t)bytes);
  return VW_OK;
}

static vw_status test_put(const test_memory *w, void *memory, const void *host, int64_t bytes) {
  if (w->m.from_host) return w->m.from_host(w->m.user, memory, host, (size_t)bytes);
  memcpy(memory, host, (size_t)bytes);
  return VW_OK;
}

/* Byte i of what `rank` sends: no period that a piece or a part could hide in. */
static unsigned char pattern(int rank, int64_t i) {
  const uint64_t x = ((uint64_t)i + 1) * UINT64_C(0x9e3779b97f4a7c15) + (uint64_t)rank * UINT64_C(0xd1b54a32d192ed03);
  return (unsigned char)(x >> 37);
}

/* Bytes of one buffer on the host and in the memory under test. */
typedef struct pair {
  unsigned char *host;
  void *memory;
  int64_t bytes;
} pair;

static vw_status pair_create(const test_memory *w, pair *p, int64_t bytes) {
  *p = (pair){.host = calloc((size_t)bytes + 1, 1), .bytes = bytes};
  VW_CHECK(p->host, VW_ERR_MEMORY, "memory");
  return w->allocate(w->m.user, (size_t)bytes + 1, &p->memory);
}

static void pair_free(const test_memory *w, pair *p) {
  free(p->host);
  if (p->memory) w->release(w->m.user, p->memory);
}

/* Sets [at, at + n) to what `rank` sends, the rest to 0xee. */
static vw_status pair_fill(const test_memory *w, pair *p, int64_t at, int64_t n, int rank) {
  memset(p->host, 0xee, (size_t)p->bytes + 1);
  for (int64_t i = 0; i < n; i++) p->host[at + i] = pattern(rank, i);
  return test_put(w, p->memory, p->host, p->bytes + 1);
}

static vw_status pair_check(const pair *p, int64_t at, int64_t n, int rank, const char *what) {
  for (int64_t i = 0; i < n; i++)
    VW_CHECK(p->host[at + i] == pattern(rank, i), VW_ERR_COMM, "%s: byte %" PRId64 " from rank %d is wrong", what, i,
             rank);
  VW_CHECK(p->host[p->bytes] == 0xee, VW_ERR_COMM, "%s: written behind the end", what);
  return VW_OK;
}

static vw_status check_broadcasts(vw_transport *t, const test_memory *w, const transport_case *c) {
  pair p;
  VW_TRY(pair_create(w, &p, c->bytes));
  for (int root = 0; root < vw_transport_size(t); root++) {
    VW_TRY(pair_fill(w, &p, 0, root == vw_transport_rank(t) ? c->bytes : 0, root));
    VW_TRY(vw_transport_broadcast(t, p.memory, c->bytes, root));
    VW_TRY(test_get(w, p.host, p.memory, c->bytes + 1));
    VW_TRY(pair_check(&p, 0, c->bytes, root, c->name));
  }
  pair_free(w, &p);
  return VW_OK;
}

/* Parts: of equal size, or rank 1 has nothing and the others differ. */
static vw_status check_gathers(vw_transport *t, const test_memory *w, const transport_case *c, bool is_equal) {
  const int size = vw_transport_size(t), me = vw_transport_rank(t);
  int64_t part[64], offset[64], all = 0;
  pair p;
  for (int i = 0; i < size; i++) {
    part[i] = is_equal ? c->bytes : i == 1 ? 0 : c->bytes + 13 * (int64_t)i;
    offset[i] = all, all += part[i];
  }
  VW_TRY(pair_create(w, &p, all));
  for (int root = VW_ALL_RANKS; root < size; root++) {
    const bool gets = root == VW_ALL_RANKS || root == me;
    VW_TRY(pair_fill(w, &p, gets ? offset[me] : 0, part[me], me));
    VW_TRY(vw_transport_gather(t, p.memory, part, root));
    VW_TRY(test_get(w, p.host, p.memory, all + 1));
    for (int i = 0; gets && i < size; i++) VW_TRY(pair_check(&p, offset[i], part[i], i, c->name));
  }
  pair_free(w, &p);
  return VW_OK;
}

/* Slice s, element i: magnitudes from 1e-8 to 1e8, so that another order of the sum has other bits. */
static double slice_element(int64_t s, int64_t i) {
  static const double scale[] = {1e8, 1e-8, 1, 1e4, 1e-3};
  return ((double)pattern((int)s, i) - 127.5) * scale[(s + i) % 5] / 3;
}

static void set_element(void *x, vw_dtype type, int64_t i, double value) {
  if (type == VW_F32)
    ((float *)x)[i] = (float)value;
  else
    ((double *)x)[i] = value;
}

/* The sum of S slices against a plain loop; *hash of its bits, the same for every number of ranks. */
static vw_status check_sum(vw_transport *t, const test_memory *w, int64_t S, int64_t n, vw_dtype type, uint64_t *hash) {
  const int size = vw_transport_size(t), me = vw_transport_rank(t);
  const int64_t row = n * (int64_t)vw_dtype_bytes(type);
  int64_t count[64], first = 0;
  pair slices, out;
  VW_TRY(pair_create(w, &slices, S * row));
  VW_TRY(pair_create(w, &out, row));
  for (int i = 0; i < size; i++) count[i] = S / size + (i < S % size), first += i < me ? count[i] : 0;
  for (int64_t s = first; s < first + count[me]; s++)
    for (int64_t i = 0; i < n; i++) set_element(slices.host, type, s * n + i, slice_element(s, i));
  VW_TRY(test_put(w, slices.memory, slices.host, S * row));
  VW_TRY(vw_transport_sum(t, slices.memory, count, n, type, out.memory));
  VW_TRY(test_get(w, out.host, out.memory, row));
  for (int64_t i = 0; i < n; i++) {
    double sum = type == VW_F32 ? (double)(float)slice_element(0, i) : slice_element(0, i);
    for (int64_t s = 1; s < S; s++) {
      const double x = slice_element(s, i);
      sum += type == VW_F32 ? (double)(float)x : x;
    }
    unsigned char expected[8];
    set_element(expected, type, 0, sum);
    const size_t bytes = vw_dtype_bytes(type);
    VW_CHECK(!memcmp(expected, out.host + (size_t)i * bytes, bytes), VW_ERR_COMM, "sum: element %" PRId64, i);
  }
  for (int64_t i = 0; i < row; i++) *hash = (*hash ^ out.host[i]) * UINT64_C(0x100000001b3);
  pair_free(w, &slices), pair_free(w, &out);
  return VW_OK;
}

/* A test that could not fail would prove nothing: sums backwards, and of pairs first, must have other bits. */
static vw_status check_order_matters(void) {
  int backwards = 0, pairs = 0;
  for (int64_t i = 0; i < 1000; i++) {
    double x[4], sum = 0, back = 0;
    for (int64_t s = 0; s < 4; s++) x[s] = slice_element(s, i), sum += x[s], back += slice_element(3 - s, i);
    backwards += sum != back, pairs += sum != (x[0] + x[1]) + (x[2] + x[3]);
  }
  VW_CHECK(backwards > 100 && pairs > 100, VW_ERR_ARG, "the order of slices hardly matters (%d, %d of 1000 sums)",
           backwards, pairs);
  return VW_OK;
}

static vw_status open_transport(vw_transport **t, const vw_ranks *r, const test_memory *w, vw_transport_kind kind,
                                int64_t piece, int team) {
  const vw_transport_options o = {.kind = kind, .team = team, .piece = piece, .timeout = 60, .memory = w->m};
  return vw_transport_open(t, r, &o);
}

/* Groups of neighbours, groups of every second rank: data stay within a group. */
static vw_status check_teams(const vw_ranks *r, const test_memory *w, vw_transport_kind kind) {
  for (int way = 0; way < 2; way++) {
    vw_transport *t = NULL;
    const int team = way ? r->rank % 2 : r->rank / 2;
    int64_t word = r->rank;
    void *memory = NULL;
    VW_TRY(open_transport(&t, r, w, kind, 0, team));
    VW_TRY(w->allocate(w->m.user, sizeof word, &memory));
    VW_TRY(test_put(w, memory, &word, sizeof word));
    VW_TRY(vw_transport_broadcast(t, memory, sizeof word, vw_transport_size(t) - 1));
    VW_TRY(test_get(w, &word, memory, sizeof word));
    const int last = way ? r->size - 1 - (r->size - 1 - team) % 2 : 2 * team + 1 < r->size ? 2 * team + 1 : 2 * team;
    VW_CHECK(word == last, VW_ERR_COMM, "team %d of way %d heard rank %" PRId64 ", not %d", team, way, word, last);
    w->release(w->m.user, memory);
    vw_transport_close(t);
  }
  return VW_OK;
}

/* Everything on one kind and memory. Prints the hash of the sums on rank 0: the script compares it between runs. */
static vw_status check_transport(const vw_ranks *r, const test_memory *w, vw_transport_kind kind) {
  uint64_t hash = UINT64_C(0xcbf29ce484222325);
  vw_transport *t = NULL;
  char name[64] = "";
  VW_TRY(check_order_matters());
  for (size_t i = 0; i < sizeof transport_cases / sizeof *transport_cases; i++) {
    const transport_case *c = &transport_cases[i];
    VW_TRY(open_transport(&t, r, w, kind, c->piece, 0));
    (void)snprintf(name, sizeof name, "%s", vw_transport_name(t));
    VW_CHECK(vw_transport_size(t) == r->size && vw_transport_rank(t) == r->rank, VW_ERR_COMM, "size, rank");
    VW_TRY(check_broadcasts(t, w, c));
    VW_TRY(check_gathers(t, w, c, true));
    VW_TRY(check_gathers(t, w, c, false));
    if (c->bytes <= 77) {
      VW_TRY(check_sum(t, w, 4, 1000, VW_F64, &hash));
      VW_TRY(check_sum(t, w, 5, 257, VW_F32, &hash));
      VW_TRY(check_sum(t, w, 8, 1, VW_F64, &hash));
      VW_TRY(check_sum(t, w, 4, 0, VW_F32, &hash));
    }
    vw_transport_close(t);
    t = NULL;
  }
  VW_TRY(check_teams(r, w, kind));
  if (r->rank == 0) (void)printf("%s: %s: sums %016" PRIx64 "\n", w->name, name, hash);
  return VW_OK;
}

#endif

/* Run under mpirun by test_weights.sh: weights that are shared. Rank 0 alone asks the source, all have the same bits as
 * when each had loaded them itself, what goes wrong on one rank is told to all, and a second try finds nothing half
 * done. As emulated_mpi_weights on an emulated device. */
#include "learn/backend_transport.h"
#include "networks/weights.h"

#include <stdio.h>
#include <string.h>

enum { ROWS = 4, COLUMNS = 6, PARTS = 5 };

/* Five tensors as a file would hold them, in half precision; counts who asks and fails when told to. */
typedef struct source {
  uint16_t data[PARTS][ROWS * COLUMNS];
  int asked, fail_at;
} source;

static const char *const names[PARTS] = {"a.weight", "l.q_proj.weight", "l.k_proj.weight", "l.v_proj.weight",
                                         "b.weight"};

static vw_status find(void *user, const char *name, vw_tensor *out) {
  source *s = user;
  VW_CHECK(++s->asked != s->fail_at, VW_ERR_INPUT, "the file ends in '%s'", name);
  for (int i = 0; i < PARTS; i++) {
    if (strcmp(names[i], name) != 0) continue;
    *out = vw_shape(VW_F16, ROWS, COLUMNS);
    out->data = s->data[i];
    return VW_OK;
  }
  return VW_RAISE(VW_ERR_INPUT, "no tensor '%s'", name);
}

static vw_status describe(vw_graph **g) {
  VW_TRY(vw_graph_create(g));
  (void)vw_weight(*g, vw_shape(VW_PARAM, ROWS, COLUMNS), "a.weight");
  (void)vw_weight(*g, vw_shape(VW_PARAM, 3 * ROWS, COLUMNS), "l.{q,k,v}_proj.weight");
  (void)vw_weight(*g, vw_shape(VW_PARAM, ROWS, COLUMNS), "b.weight");
  return vw_graph_status(*g);
}

/* What a program that is bound to the weights sees of a leaf, in double. */
static vw_status read_leaf(vw_context *ctx, vw_weights *w, const vw_graph *g, const vw_policy *policy, int64_t leaf,
                           double *out) {
  vw_program *p = NULL;
  vw_status st = VW_OK;
  VW_GOTO(vw_program_create(&p, g, ctx, policy));
  VW_GOTO(vw_weights_bind(w, p));
  vw_tensor host = vw_graph_leaf(g, leaf).tensor;
  host.dtype = VW_F64, host.data = out;
  VW_GOTO(vw_program_read(p, vw_graph_leaf(g, leaf).value, &host));
cleanup:
  vw_program_destroy(p);
  return st;
}

static vw_status check_values(vw_context *ctx, vw_weights *w, const vw_graph *g, const vw_policy *policy,
                              const source *s) {
  static const int first[3] = {0, 1, 4}, parts[3] = {1, 3, 1};
  for (int leaf = 0; leaf < 3; leaf++) {
    double got[3 * ROWS * COLUMNS], expected[3 * ROWS * COLUMNS];
    VW_TRY(read_leaf(ctx, w, g, policy, leaf, got));
    for (int i = 0; i < parts[leaf]; i++)
      VW_TRY(vw_convert(expected + i * ROWS * COLUMNS, VW_F64, s->data[first[leaf] + i], VW_F16, ROWS * COLUMNS));
    VW_CHECK(!memcmp(got, expected, (size_t)(parts[leaf] * ROWS * COLUMNS) * sizeof *got), VW_ERR_INPUT,
             "leaf %d has other values", leaf);
  }
  return VW_OK;
}

/* Another's zeros must not be what is received: only rank 0's source holds values. */
static void fill(source *s, int rank) {
  *s = (source){.asked = 0};
  for (int i = 0; rank == 0 && i < PARTS; i++)
    for (int j = 0; j < ROWS * COLUMNS; j++) s->data[i][j] = (uint16_t)(0x3000 + 97 * i + 31 * j);
}

static vw_status try_share(const vw_ranks *r, vw_context *ctx, vw_transport *t, const vw_graph *g, int fail_at) {
  const vw_policy policy = vw_default_policy(ctx->backend);
  source s, truth;
  vw_weights *w = NULL;
  fill(&s, r->rank), fill(&truth, 0);
  s.fail_at = r->rank == 0 ? fail_at : 0;
  VW_TRY(vw_weights_create(&w, ctx, find, &s, "the test"));
  const vw_status st = vw_weights_share(w, g, &policy, r, t);
  if (fail_at) {
    VW_CHECK(st == VW_ERR_INPUT && strstr(vw_error_message(), "the file ends in"), VW_ERR_ARG, "%s: %s",
             vw_status_name(st), vw_error_message());
    VW_CHECK(vw_weights_bytes(w) == 0, VW_ERR_ARG, "something half done was kept");
    s.fail_at = 0;
    VW_TRY(vw_weights_share(w, g, &policy, r, t));
  } else {
    VW_TRY(st);
  }
  VW_TRY(check_values(ctx, w, g, &policy, &truth));
  VW_CHECK((s.asked > 0) == (r->rank == 0) && (vw_weights_bytes_read(w) > 0) == (r->rank == 0), VW_ERR_ARG,
           "rank %d asked the source %d times", r->rank, s.asked);
  const int64_t bytes = vw_weights_bytes(w);
  VW_TRY(vw_weights_share(w, g, &policy, r, t)); /* all there: nothing is sent */
  VW_CHECK(vw_weights_bytes(w) == bytes, VW_ERR_ARG, "loaded twice");
  vw_weights_destroy(w);
  return VW_OK;
}

/* A program of another storage type must not get what was shared for this one: it has the values in its own type. */
static vw_status check_other_type(const vw_ranks *r, vw_context *ctx, vw_transport *t, const vw_graph *g) {
  const vw_policy policy = vw_default_policy(ctx->backend);
  vw_policy narrow = policy;
  double got[ROWS * COLUMNS], expected[ROWS * COLUMNS];
  uint16_t rounded[ROWS * COLUMNS];
  source s;
  vw_weights *w = NULL;
  fill(&s, 0);
  narrow.param = VW_BF16;
  VW_TRY(vw_convert(rounded, VW_BF16, s.data[0], VW_F16, ROWS * COLUMNS));
  VW_TRY(vw_convert(expected, VW_F64, rounded, VW_BF16, ROWS * COLUMNS));
  VW_TRY(vw_weights_create(&w, ctx, find, &s, "the test"));
  VW_TRY(vw_weights_share(w, g, &policy, r, t));
  const int64_t shared = vw_weights_bytes(w);
  for (int i = 0; i < 2; i++) VW_TRY(read_leaf(ctx, w, g, &narrow, 0, got));
  for (int i = 0; i < ROWS * COLUMNS; i++) VW_CHECK(got[i] == expected[i], VW_ERR_ARG, "bf16 after f32: value %d", i);
  VW_CHECK(vw_weights_bytes(w) - shared == 5 * (int64_t)sizeof rounded, VW_ERR_ARG, "bf16 was not loaded once");
  vw_weights_destroy(w);
  return VW_OK;
}

static vw_status check_backend(const vw_ranks *r, vw_backend b) {
  vw_context ctx;
  vw_graph *g = NULL;
  vw_transport *t = NULL;
  VW_TRY(vw_agree_message(r, vw_context_open(&ctx, b, 1, r->local_rank)));
  VW_TRY(vw_backend_transport_open(&t, r, &ctx, 0));
  VW_TRY(describe(&g));
  for (int fail_at = 0; fail_at <= PARTS; fail_at++) VW_TRY(try_share(r, &ctx, t, g, fail_at));
  VW_TRY(check_other_type(r, &ctx, t, g));
  if (r->rank == 0) (void)printf("%s: shared by %s\n", vw_backend_name(b), vw_transport_name(t));
  vw_graph_destroy(g);
  vw_transport_close(t);
  vw_context_close(&ctx);
  return VW_OK;
}

int main(int argc, char **argv) {
  static const vw_backend backends[] = {VW_REF, VW_CPU, VW_CUDA};
  vw_ranks r;
  vw_status st = vw_ranks_open(&r, &argc, &argv);
  const int n = argc > 1 && !strcmp(argv[1], "cuda") ? 3 : 2;
  for (int i = 0; st == VW_OK && i < n; i++) st = vw_agree_message(&r, check_backend(&r, backends[i]));
  if (st != VW_OK) (void)fprintf(stderr, "rank %d: %s\n%s", r.rank, vw_error_message(), vw_error_trail());
  vw_ranks_close(&r);
  return st == VW_OK ? 0 : 1;
}

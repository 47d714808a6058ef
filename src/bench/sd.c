/* `bench sd`: the passes of a Stable Diffusion network at the size that it was trained on: the UNet forward, a step of
 * learning a word (text encoder, noise, UNet, and back to the word), the autoencoder both ways. For each: time, counted
 * FLOPs against this machine's sgemm, memory as planned and as held. tools/bench/sd.py does the same in diffusers.
 * Latents and texts are made up: they cost the same. */
#include "bench/gpu.h"

#include "core/random.h"
#include "core/text.h"
#include "kernels/cast.h"
#include "kernels/diffuse.h"
#include "kernels/mse.h"
#include "kernels/rate.h"
#include "kernels/splice.h"
#include "networks/drawing.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Time for one kernel of a table, as a part of the time for a row. */
#define KERNEL_SHARE 0.05

/* What plans call the passes that they count: of the task's step, the sampler's, the encoder's. */
static const char *const plans_call[] = {"sd drawing", "generation step", "sd pictures"};

typedef struct sd_bench {
  vw_bench *b;
  vw_sd_network *n;
  int64_t side; /* of latents */
  vw_ceilings ceilings;
} sd_bench;

typedef vw_status (*sd_emitter)(vw_graph *g, const sd_bench *s, int64_t B);

/* ---- passes ------------------------------------------------------------------------------------------------------ */

static vw_status unet(vw_graph *g, const sd_bench *s, int64_t B) {
  return vw_sd_unet_graph(g, s->n, B, 1, s->side, s->side);
}

static vw_status encoder(vw_graph *g, const sd_bench *s, int64_t B) {
  const int64_t side = s->side * vw_vae_factor(&s->n->vae);
  (void)B;
  return vw_sd_encoder_graph(g, s->n, side, side);
}

static vw_status decoder(vw_graph *g, const sd_bench *s, int64_t B) {
  (void)B;
  return vw_sd_decoder_graph(g, s->n, s->side, s->side);
}

/* The UNet's part of a step: noise into latents, the prediction's error against the noise. */
static vw_value loss_of(vw_graph *g, const sd_bench *s, int64_t B, vw_value states) {
  const vw_tensor latents = vw_shape(VW_HEAD, B, s->side, s->side, s->n->unet.in_channels);
  const vw_value x = vw_input(g, latents, "latents"), noise = vw_input(g, latents, "noise");
  const vw_value t = vw_input(g, vw_shape(VW_I32, B), "t");
  const vw_value coef = vw_input(g, vw_shape(VW_HEAD, s->n->schedule.steps, 2), "coef");
  const vw_unet_in in = {.x = vw_mix(g, x, noise, coef, t, VW_ACT),
                         .t = t,
                         .latents = VW_NONE,
                         .context = vw_cast(g, states, VW_ACT),
                         .row = vw_input(g, vw_shape(VW_I32, B), "row")};
  return vw_mse(g, vw_unet(g, &s->n->unet, in), noise, (vw_mse_attr){.trials = 1});
}

/* One word in a text, B pictures. */
static vw_status word_step(vw_graph *g, const sd_bench *s, int64_t B) {
  const vw_clip_text_rows rows = {.row_prefix = VW_NONE, .prefix_len = VW_NONE, .length = VW_NONE};
  const int64_t J = vw_sd_positions(s->n), C = s->n->net.width;
  const vw_value word = vw_input(g, vw_shape(VW_HEAD, 1, C), "word");
  const vw_value tail = vw_input(g, vw_shape(VW_PARAM, 1, J, C), "tail"),
                 zero = vw_input(g, vw_shape(VW_I32, 1), "zero");
  const vw_value states =
      vw_clip_text_states(g, &s->n->net.text.tower, vw_splice(g, word, tail, zero, zero, zero), rows);
  vw_value gradient = VW_NONE;
  (void)vw_graph_scope(g, 1);
  vw_graph_set_policy(g, 1, &s->n->image_policy);
  const vw_value loss = loss_of(g, s, B, states);
  VW_TRY(vw_reverse(g, loss, &word, 1, &gradient));
  vw_output(g, loss, "loss");
  vw_output(g, gradient, "gradient");
  return vw_recompute(g, &s->n->net.policy, s->b->segments);
}

static const struct pass {
  const char *name, *what;
  sd_emitter emit;
  bool batched, texts; /* texts: the graph's first scope is the text encoder's */
} passes[] = {
    {"unet", "the UNet forward: half a guided sampler step", unet, true, false},
    {"word", "text encoder and UNet, forward and back to the word", word_step, true, true},
    {"encode", "a picture to moments", encoder, false, false},
    {"decode", "latents to a picture", decoder, false, false},
};
enum { PASSES = sizeof passes / sizeof *passes };

/* ---- measuring --------------------------------------------------------------------------------------------------- */

/* Made-up numbers for every input: integers 0, others uniform in (-1, 1). */
static vw_status write_inputs(vw_program *p) {
  for (int64_t i = 0; i < vw_program_leaf_count(p); i++) {
    const vw_leaf leaf = vw_program_leaf(p, i);
    vw_tensor t = leaf.tensor;
    if (leaf.kind != VW_LEAF_INPUT) continue;
    const int64_t n = vw_count(&t);
    double *x = calloc((size_t)n + 1, sizeof *x);
    VW_CHECK(x, VW_ERR_MEMORY, "bench: out of memory");
    if (t.dtype != VW_I32) {
      for (int64_t j = 0; j < n; j++) x[j] = 2.0 * (double)vw_uniform(vw_draw_u32((uint64_t)i, 0, 0, (uint32_t)j)) - 1;
      t.dtype = VW_F64;
    }
    t.data = x;
    const vw_status st = vw_program_write(p, leaf.value, &t);
    free(x);
    VW_TRY(st);
  }
  return VW_OK;
}

/* The shortest time of runs for `seconds`, one at least, behind one that warms caches; and the least processor time of
 * one, which neighbours on the machine hardly change. That one's where it took longer than `seconds`. */
static vw_status shortest(vw_program *p, double seconds, vw_bench_rate *r) {
  vw_bench_rate one = {0};
  VW_TRY(vw_bench_run(p, r));
  if (r->one > seconds) return VW_OK;
  *r = (vw_bench_rate){.one = INFINITY, .cpu = INFINITY};
  for (const double start = vw_bench_now(); r->one == INFINITY || vw_bench_now() - start < seconds;) {
    VW_TRY(vw_bench_run(p, &one));
    r->one = fmin(r->one, one.one), r->cpu = fmin(r->cpu, one.cpu);
  }
  return VW_OK;
}

static vw_status time_runs(const vw_bench *b, vw_program *p, vw_bench_rate *r) {
  return b->settle ? vw_bench_settle(p, b->seconds, r) : shortest(p, b->seconds, r);
}

/* Each distinct call against the ceilings, also into the JSON of the last row. */
static vw_status measure_kernels(sd_bench *s, vw_program *p) {
  vw_bench *b = s->b;
  vw_kernel_table t = {0};
  const vw_status st = vw_kernel_table_measure(b, &s->ceilings, p, KERNEL_SHARE * b->seconds, &t);
  if (st == VW_OK && !b->json) vw_kernel_table_print_ops(&t), vw_kernel_table_print(&t);
  if (st == VW_OK) {
    json_t *row = json_array_get(b->rows, json_array_size(b->rows) - 1);
    json_object_set_new(row, "copy_gb_per_s", json_real(1e-9 * s->ceilings.copy));
    json_object_set_new(row, "ops", vw_kernel_table_ops_json(&t));
    json_object_set_new(row, "kernels", vw_kernel_table_json(&t));
  }
  free(t.rows);
  return st;
}

static vw_status count_calls(const sd_bench *s, const struct pass *pass, int64_t B, const vw_program_memory *m,
                             const vw_program *p) {
  vw_kernel_table t = {0};
  const vw_status st = vw_kernel_table_count(s->b, p, &t);
  (void)vw_print(stdout, "  %s, %" PRId64 " at once: %.1f MB planned, %.1f of them weights\n", pass->name, B,
                 (double)(m->arena + m->leaves + m->weights) / 1e6, (double)m->weights / 1e6);
  if (st == VW_OK) vw_kernel_table_print_counts(&t, B);
  free(t.rows);
  return st;
}

static void report(vw_bench *b, const struct pass *pass, int64_t B, const vw_bench_rate *r, double flops,
                   int64_t planned, int64_t taken) {
  const double giga = 1e9, mega = 1e6, seconds = r->one;
  if (!b->json)
    (void)vw_print(stdout,
                   "  %-7s %3" PRId64
                   "  %10.1f ms (%.1f of CPU)  %9.3f pictures/s  %8.1f GFLOP/s  %5.1f %% of sgemm  %9.1f MB planned "
                   " %9.1f MB held\n",
                   pass->name, B, 1e3 * seconds, 1e3 * r->cpu, (double)B / seconds, flops / seconds / giga,
                   100 * flops / seconds / b->sgemm, (double)planned / mega, (double)taken / mega);
  vw_bench_settle_print(b, r);
  (void)fflush(stdout);
  json_t *row =
      json_pack("{s:s, s:I, s:f, s:f, s:f, s:f, s:f, s:I, s:I}", "pass", pass->name, "pictures", (json_int_t)B,
                "seconds", seconds, "cpu_seconds", r->cpu, "pictures_per_s", (double)B / seconds, "gflops",
                flops / seconds / giga, "share_of_sgemm", flops / seconds / b->sgemm, "bytes_planned",
                (json_int_t)planned, "bytes_held", (json_int_t)taken);
  vw_bench_settle_json(b, r, row);
  json_array_append_new(b->rows, row);
}

/* For plans, scaled by operations. */
static vw_status keep(const sd_bench *s, int64_t pass, int64_t B, double seconds, double flops) {
  const vw_transformer_config *text = &s->n->net.text.tower.t;
  const bool is_step = pass == 1;
  const int64_t sizes[] = {B, s->side};
  char kind[VW_RATE_KIND];
  if (pass >= (int64_t)(sizeof plans_call / sizeof *plans_call)) return VW_OK;
  (void)snprintf(kind, sizeof kind, "%s %" PRId64 "x%" PRId64, plans_call[pass],
                 is_step ? text->width : s->n->unet.level[0].width,
                 is_step ? text->layers : (int64_t)s->n->unet.levels);
  return vw_rates_put(&s->b->rates, kind, vw_hash_bytes(sizes, sizeof sizes), flops, seconds);
}

/* A pass in a network of its own, so that what is held is that pass's alone. */
static vw_status measure(sd_bench *s, const struct pass *pass, int64_t B) {
  vw_bench *b = s->b;
  vw_graph *g = NULL;
  vw_program *p = NULL;
  vw_program_memory m;
  vw_bench_rate rate = {0};
  vw_status st = VW_OK;
  char dir[sizeof s->n->net.dir];
  (void)snprintf(dir, sizeof dir, "%s", s->n->net.dir);
  const vw_policy *policy = pass->texts ? &s->n->net.policy : &s->n->image_policy;
  const int64_t before = vw_bench_held(&b->ctx);
  VW_GOTO(vw_graph_create(&g));
  VW_GOTO(pass->emit(g, s, B));
  VW_GOTO(vw_program_measure(g, &b->ctx, policy, &m));
  VW_GOTO(vw_program_create(&p, g, &b->ctx, policy));
  if (b->count) {
    VW_GOTO(count_calls(s, pass, B, &m, p));
    goto cleanup;
  }
  VW_GOTO(vw_weights_bind(s->n->net.weights, p));
  VW_GOTO(write_inputs(p));
  VW_GOTO(vw_program_prepare(p));
  VW_GOTO(time_runs(b, p, &rate));
  report(b, pass, B, &rate, vw_graph_flops(g), m.arena + m.leaves + m.weights, vw_bench_held(&b->ctx) - before);
  VW_GOTO(keep(s, pass - passes, B, rate.one, vw_graph_flops(g)));
  if (b->ops) VW_GOTO(vw_bench_print_ops(p));
  if (b->kernels) VW_GOTO(measure_kernels(s, p));
cleanup:
  vw_program_destroy(p);
  vw_graph_destroy(g);
  vw_sd_network_close(s->n);
  s->n = NULL;
  if (st == VW_OK) st = vw_sd_network_open(&s->n, dir, &b->ctx);
  return st;
}

typedef struct one_pass {
  sd_bench *s;
  const struct pass *pass;
} one_pass;

static vw_status measure_batch(void *user, int64_t B) {
  const one_pass *o = user;
  return measure(o->s, o->pass, B);
}

static vw_status measure_all(sd_bench *s, const char *pictures, const char *only) {
  vw_bench *b = s->b;
  char kernels[128];
  int64_t side;
  VW_TRY(vw_drawing_trained_size(s->n, &side));
  s->side = side / vw_vae_factor(&s->n->vae);
  vw_kernel_set(&b->ctx, kernels);
  VW_TRY(vw_bench_sgemm(b));
  if (b->ctx.backend == VW_CPU) b->rates.product = b->sgemm, b->rates.changed = true;
  if (!b->json)
    (void)vw_print(stdout, "%s: pictures of %" PRId64 " px; %s in %s, %d thread%s; %s %.1f GFLOP/s\n", s->n->net.dir,
                   side, kernels, vw_precision_name(&b->ctx), b->ctx.threads, b->ctx.threads == 1 ? "" : "s",
                   vw_bench_sgemm_is(b), 1e-9 * b->sgemm);
  if (b->kernels) VW_TRY(vw_bench_ceilings(b, b->order, &s->ceilings));
  for (int i = 0; i < PASSES; i++) {
    if (only && strcmp(only, passes[i].name) != 0) continue;
    if (!b->json) (void)vw_print(stdout, "%s: %s\n", passes[i].name, passes[i].what);
    if (passes[i].batched)
      VW_TRY(vw_bench_each("pictures", pictures, measure_batch, &(one_pass){s, &passes[i]}));
    else
      VW_TRY(measure(s, &passes[i], 1));
  }
  return VW_OK;
}

vw_status vw_bench_sd(vw_bench *b, const char *dir, const char *pictures, const char *only) {
  sd_bench s = {.b = b};
  bool known = !only;
  for (int i = 0; i < PASSES && !known; i++) known = !strcmp(only, passes[i].name);
  VW_CHECK(known, VW_ERR_ARG, "bench sd: --only '%s': choose unet, word, encode or decode", only);
  VW_TRY(vw_sd_network_open(&s.n, dir, &b->ctx));
  const vw_status st = measure_all(&s, pictures, only);
  vw_sd_network_close(s.n);
  return st;
}

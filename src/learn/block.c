#include "learn/block_internal.h"

#include "core/log.h"
#include "core/random.h"
#include "study/metrics.h"
#include "tasks/leaves.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(void) {
  struct timespec t;
  (void)clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

vw_status vw_block_state_create(vw_block_state *s, const vw_learn_config *learn, int64_t K, int64_t vectors,
                                int64_t width) {
  const int64_t points = learn->loss_points < learn->steps ? learn->loss_points : learn->steps;
  *s = (vw_block_state){.K = K, .C = vectors * width, .vectors = vectors, .points = points < 1 ? 1 : points};
  s->every = (learn->steps + s->points - 1) / s->points;
  s->points = (learn->steps + s->every - 1) / s->every;
  s->look_every = learn->watch_every, s->looks = s->look_every ? learn->steps / s->look_every + 1 : 0;
  const size_t matrix = (size_t)(K * s->C), vector = (size_t)K;
  double **const arrays[] = {&s->words,    &s->gradient,  &s->anchors, &s->history, &s->looked,     &s->loss_start,
                             &s->loss_end, &s->grad_norm, &s->kkt,     &s->radius,  &s->moments[0], &s->moments[1]};
  const size_t sizes[] = {
      matrix, matrix, matrix, (size_t)s->points * vector, (size_t)s->looks * vector, vector, vector, vector, vector,
      vector, matrix, matrix};
  bool has_memory = (s->stopped = calloc(vector + 1, sizeof *s->stopped)) != NULL;
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    if (i >= 10 && learn->optimiser != VW_ADAMW) continue;
    *arrays[i] = calloc(sizes[i] + 1, sizeof(double));
    has_memory = has_memory && *arrays[i];
  }
  if (!has_memory) {
    vw_block_state_free(s);
    return VW_RAISE(VW_ERR_MEMORY, "block of %lld words: out of memory", (long long)K);
  }
  for (int64_t i = 0; i < s->points * K; i++) s->history[i] = NAN;
  for (int64_t i = 0; i < s->looks * K; i++) s->looked[i] = NAN;
  return VW_OK;
}

void vw_block_state_free(vw_block_state *s) {
  free(s->words), free(s->gradient), free(s->anchors), free(s->history), free(s->loss_start), free(s->loss_end);
  free(s->grad_norm), free(s->kkt), free(s->radius), free(s->moments[0]), free(s->moments[1]);
  free(s->looked), free(s->stopped);
  *s = (vw_block_state){0};
}

/* ---- the leaves of a block --------------------------------------------------------------------------------------- */

void vw_block_drop_program(vw_block_part_program *p) {
  vw_program_destroy(p->program), vw_graph_destroy(p->graph);
  *p = (vw_block_part_program){0};
}

static void run_free(vw_block_run *r) {
  vw_sliced_free(r);
  vw_block_drop_program(&r->trained), vw_block_drop_program(&r->look);
  vw_block_drop_program(&r->watch); /* the owner of what all use last */
  r->t->kind->end(r->of_task);
}

vw_status vw_block_write_leaf(const vw_block_part_program *p, const char *name, vw_tensor shape, const void *data) {
  return vw_write_leaf(p->program, p->graph, name, shape, data);
}

vw_tensor vw_block_matrix(const vw_block_state *s) {
  return vw_shape(VW_F64, s->K * s->vectors, s->C / s->vectors);
}

static vw_status make_program(const vw_block_run *r, vw_block_mode mode, const vw_block_shape *shape,
                              vw_block_part_program *p) {
  const vw_network *n = r->t->in.network;
  VW_TRY(vw_graph_create(&p->graph));
  VW_TRY(vw_block_task_graph(p->graph, r->t->kind, &r->t->in, r->learn, shape, mode));
  VW_TRY(vw_program_create_beside(&p->program, p->graph, n->ctx, &n->policy, r->watch.program));
  return vw_weights_bind(n->weights, p->program);
}

vw_status vw_block_add_program(const vw_block_run *r, vw_block_mode mode, int64_t slice, vw_block_part_program *p) {
  vw_block_shape shape = r->shape;
  shape.step.slice = slice;
  return make_program(r, mode, &shape, p);
}

/* The program that owns the block's inputs. */
static vw_status build_watch(vw_block_run *r) {
  const int64_t zero = 0;
  vw_block_part_program watch = {0};
  const vw_status st = make_program(r, VW_BLOCK_WATCH, &r->shape, &watch);
  r->watch = watch;
  VW_TRY(st);
  VW_TRY(r->t->kind->leaves(r->t, r->of_task, &r->shape.step, watch.program, watch.graph));
  VW_TRY(vw_block_write_leaf(&watch, "step", vw_shape(VW_I64, 1), &zero));
  return vw_block_write_leaf(&watch, "words", vw_block_matrix(r->s), r->s->words);
}

/* The fixed set's loss alone, for looks on the way. */
static vw_status add_look(vw_block_run *r) {
  VW_TRY(vw_block_add_program(r, VW_BLOCK_LOOK, 0, &r->look));
  return vw_program_bind_inputs(r->look.program, r->watch.program);
}

/* The words' streams, and what the task holds for them. */
static vw_status begin(vw_block_run *r, const vw_study_config *config, const vw_trial *trials) {
  const int64_t K = r->s->K;
  uint64_t *keys = calloc((size_t)K, sizeof *keys);
  vw_status st = keys ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "block: out of memory");
  for (int64_t k = 0; st == VW_OK && k < K; k++) st = vw_trial_stream_key(config, &trials[k], &keys[k]);
  if (st == VW_OK) st = r->t->kind->begin(r->t, trials, keys, K, &r->shape.step, &r->of_task);
  free(keys);
  return st;
}

/* Each vector of a word has a ball of its own, of the same radius. */
static vw_status write_radius(const vw_block_part_program *p, const vw_block_state *s) {
  const int64_t n = s->vectors;
  double *all = malloc((size_t)(s->K * n) * sizeof *all);
  VW_CHECK(all, VW_ERR_MEMORY, "block: out of memory");
  for (int64_t i = 0; i < s->K * n; i++) all[i] = s->radius[i / n];
  const vw_status st = vw_block_write_leaf(p, "radius", vw_shape(VW_F64, s->K * n), all);
  free(all);
  return st;
}

static vw_status write_state(const vw_block_run *r) {
  const vw_block_part_program *p = &r->trained;
  const vw_block_state *s = r->s;
  const vw_tensor matrix = vw_block_matrix(s);
  VW_TRY(vw_block_write_leaf(p, "words", matrix, s->words));
  VW_TRY(vw_block_write_leaf(p, "anchors", matrix, s->anchors));
  VW_TRY(write_radius(p, s));
  VW_TRY(vw_block_write_leaf(p, "step", vw_shape(VW_I64, 1), &s->step));
  VW_TRY(vw_block_write_leaf(p, "history", vw_shape(VW_F64, s->points, s->K), s->history));
  if (r->learn->optimiser != VW_ADAMW) return VW_OK;
  VW_TRY(vw_block_write_leaf(p, "adam_m", matrix, s->moments[0]));
  return vw_block_write_leaf(p, "adam_v", matrix, s->moments[1]);
}

vw_status vw_block_read_leaf(const vw_block_part_program *p, const char *name, vw_tensor shape, void *data) {
  return vw_read_leaf(p->program, p->graph, name, shape, data);
}

vw_status vw_block_read_words(const vw_block_run *r) {
  const vw_block_state *s = r->s;
  double *now = malloc((size_t)(s->K * s->C) * sizeof *now + 1);
  VW_CHECK(now, VW_ERR_MEMORY, "block: out of memory");
  const vw_status st = vw_block_read_leaf(&r->trained, "words", vw_block_matrix(s), now);
  for (int64_t k = 0; st == VW_OK && k < s->K; k++)
    if (!s->stopped[k]) memcpy(s->words + k * s->C, now + k * s->C, (size_t)s->C * sizeof *now);
  free(now);
  return st;
}

static vw_status read_state(const vw_block_run *r) {
  const vw_block_state *s = r->s;
  const vw_tensor matrix = vw_block_matrix(s);
  VW_TRY(vw_block_read_words(r));
  VW_TRY(vw_block_read_leaf(&r->trained, "history", vw_shape(VW_F64, s->points, s->K), s->history));
  for (int64_t i = 0; i < s->points * s->K; i++) { /* what a row lost after its word had stopped is nobody's */
    const int64_t stopped = s->stopped[i % s->K];
    if (stopped && i / s->K * s->every >= stopped) s->history[i] = NAN;
  }
  if (r->learn->optimiser != VW_ADAMW) return VW_OK;
  VW_TRY(vw_block_read_leaf(&r->trained, "adam_m", matrix, s->moments[0]));
  return vw_block_read_leaf(&r->trained, "adam_v", matrix, s->moments[1]);
}

/* ---- running ----------------------------------------------------------------------------------------------------- */

bool vw_block_leads(const vw_block_run *r) {
  return !r->sliced || r->sliced->team->rank == 0;
}

static vw_status save(const vw_block_run *r, const vw_block_hooks *h) {
  if (!vw_block_leads(r)) return VW_OK;
  VW_TRY(read_state(r));
  return h->checkpoint ? h->checkpoint(h->user, r->s) : VW_OK;
}

/* VW_TEAM_STOP, VW_TEAM_SAVE: what this rank wants now. */
static unsigned wishes(const vw_block_run *r, const vw_block_hooks *h, double saved) {
  unsigned wants = h->stop && h->stop(h->user) ? VW_TEAM_STOP : 0;
  if (vw_block_leads(r) && h->checkpoint && now() - saved > h->checkpoint_seconds) wants |= VW_TEAM_SAVE;
  return wants;
}

/* *wants: this rank's wishes, or where ranks share the step what they agreed on. */
static vw_status run_step(const vw_block_run *r, const vw_block_hooks *h, double saved, unsigned *wants) {
  if (r->sliced) {
    *wants = wishes(r, h, saved);
    return vw_sliced_run(r, wants);
  }
  VW_TRY(vw_program_run(r->trained.program));
  *wants = wishes(r, h, saved);
  return VW_OK;
}

/* The look or the pictures after this step were not all made. */
static bool is_left(const vw_block_run *r, unsigned wants) {
  const vw_block_state *s = r->s;
  const bool looks = s->looks && s->step % s->look_every == 0 && s->looks_done <= s->step / s->look_every;
  const bool draws = r->learn->watch_pictures && s->step % r->learn->watch_pictures == 0;
  return (wants & VW_TEAM_STOP) && (looks || draws);
}

static vw_status train(const vw_block_run *r, const vw_block_hooks *h, bool *finished) {
  vw_block_state *s = r->s;
  const double start = now(), before = s->seconds;
  double saved = start;
  unsigned wants = 0;
  *finished = false;
  VW_TRY(vw_block_look(r, &wants));
  if (wants & VW_TEAM_STOP) return save(r, h);
  while (!(wants & VW_TEAM_FAILED) && !vw_block_is_done(s, r->learn)) {
    wants = 0;
    VW_TRY(run_step(r, h, saved, &wants));
    if (wants & VW_TEAM_FAILED) break;
    s->step++;
    VW_TRY(vw_block_look(r, &wants));
    s->seconds = before + now() - start;
    if (wants & VW_TEAM_FAILED) break;
    if (h->advanced) h->advanced(h->user, s->step, r->learn->steps);
    if (vw_block_is_done(s, r->learn) && !is_left(r, wants)) break;
    if (wants & VW_TEAM_STOP) return save(r, h);
    if (wants & VW_TEAM_SAVE) {
      VW_TRY(save(r, h));
      saved = now();
    }
  }
  if (wants & VW_TEAM_FAILED) return save(r, h);
  VW_TRY(read_state(r)); /* waits for steps that are only enqueued */
  s->seconds = before + now() - start;
  *finished = true;
  return VW_OK;
}

/* The fixed set before the first step or behind the last one, by the rank that leads; a team leaves it together, stopped
 * or not. */
static vw_status watch(const vw_block_run *r, bool is_end, unsigned *wants) {
  bool stopped = false;
  if (vw_block_leads(r) && !is_end) VW_TRY(vw_block_fixed_loss(r, r->s->loss_start, NULL, &stopped));
  if (vw_block_leads(r) && is_end) VW_TRY(vw_block_finish(r, &stopped));
  if (stopped) *wants |= VW_TEAM_STOP;
  return vw_block_agree(r, wants);
}

/* `plan.memory`: what all programs of a block take, without the weights that all blocks share. */
static vw_status check_memory(const vw_block_run *r, int64_t limit) {
  const int64_t bytes = vw_block_bytes(r);
  vw_log(VW_LOG_DEBUG, "words=%lld segments=%lld block_bytes=%lld", (long long)r->s->K, (long long)r->shape.segments,
         (long long)bytes);
  VW_CHECK(!limit || bytes <= limit, VW_ERR_MEMORY,
           "a block of %lld trials takes %.1f MiB, plan.memory allows %.1f: set plan.block to fewer rows and use a new "
           "output directory, or plan.recompute to more segments",
           (long long)r->s->K, (double)bytes / 1048576, (double)limit / 1048576);
  return VW_OK;
}

static vw_status prepare(vw_block_run *r, const vw_study_config *config, const vw_trial *trials, vw_team *team) {
  VW_TRY(begin(r, config, trials));
  VW_TRY(build_watch(r));
  VW_TRY(vw_block_add_program(r, team ? VW_BLOCK_UPDATE : VW_BLOCK_TRAIN, 0, &r->trained));
  VW_TRY(write_state(r));
  if (r->s->looks) VW_TRY(add_look(r));
  if (team) VW_TRY(vw_sliced_create(r, team));
  VW_TRY(vw_program_bind_inputs(r->trained.program, r->watch.program));
  VW_TRY(check_memory(r, r->t->in.model->plan.memory));
  VW_TRY(vw_program_prepare(r->watch.program));
  VW_TRY(vw_program_prepare(r->trained.program));
  if (r->look.program) VW_TRY(vw_program_prepare(r->look.program));
  return team ? vw_sliced_prepare(r) : VW_OK;
}

/* What the leader starts from, to all members. *go_on false: somebody has failed. */
static vw_status share_state(vw_block_state *s, vw_team *team, bool *go_on) {
  const int64_t matrix = s->K * s->C * (int64_t)sizeof *s->words;
  unsigned wants = 0;
  VW_TRY(vw_team_meet(team, VW_OK, &wants, &s->step));
  *go_on = !(wants & VW_TEAM_FAILED);
  if (!*go_on) return VW_OK;
  VW_TRY(vw_transport_broadcast(team->talk, s->words, matrix, 0));
  for (int i = 0; i < 2 && s->moments[i]; i++) VW_TRY(vw_transport_broadcast(team->talk, s->moments[i], matrix, 0));
  if (!s->looks) return VW_OK;
  VW_TRY(vw_transport_broadcast(team->talk, &s->looks_done, sizeof s->looks_done, 0));
  VW_TRY(vw_transport_broadcast(team->talk, s->looked, s->looks * s->K * (int64_t)sizeof *s->looked, 0));
  return VW_OK;
}

/* No member starts a step before all can. */
static vw_status all_ready(vw_team *team, bool *go_on) {
  unsigned wants = 0;
  VW_TRY(vw_team_meet(team, VW_OK, &wants, NULL));
  *go_on = !(wants & VW_TEAM_FAILED);
  return VW_OK;
}

vw_status vw_block_learn(vw_block_state *s, vw_task *t, const vw_study_config *config, const vw_trial *trials,
                         vw_block_share share, const vw_block_hooks *hooks, bool *finished) {
  const vw_block_hooks none = {0};
  vw_block_run r = {.t = t, .trials = trials, .learn = &t->in.model->learn, .s = s};
  vw_team *team = share.slices > 1 ? share.team : NULL;
  vw_status st = VW_OK;
  unsigned wants = 0;
  bool go_on = true;
  *finished = false;
  if (!hooks) hooks = &none;
  r.hooks = hooks;
  r.shape = (vw_block_shape){.step = {.K = s->K, .slices = share.slices},
                             .vectors = s->vectors,
                             .points = s->points,
                             .every = s->every,
                             .segments = share.segments};
  if (team) VW_GOTO(share_state(s, team, &go_on));
  if (!go_on) goto cleanup;
  vw_block_stop_words(&r);
  VW_GOTO(prepare(&r, config, trials, team));
  if (team) VW_GOTO(all_ready(team, &go_on));
  if (!go_on) goto cleanup;
  if (s->step == 0) VW_GOTO(watch(&r, false, &wants));
  if (wants) goto cleanup; /* there is nothing to save yet */
  VW_GOTO(train(&r, hooks, finished));
  if (*finished) VW_GOTO(watch(&r, true, &wants));
  if (wants) *finished = false;
  if (wants & VW_TEAM_STOP) st = save(&r, hooks);
cleanup:
  run_free(&r);
  return st;
}

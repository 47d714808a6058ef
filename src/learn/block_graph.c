#include "learn/block_graph.h"

#include "core/random.h"
#include "kernels/pgd_step.h"
#include "kernels/record.h"
#include "kernels/view.h"

static vw_status emit_task(const void *user, vw_graph *g, const vw_step_shape *s, const vw_step_in *step,
                           vw_value *loss) {
  const vw_task_loss *of = user;
  return of->kind->loss(of->in, g, s, step, loss);
}

vw_block_loss vw_block_loss_of(const vw_task_loss *of) {
  return (vw_block_loss){emit_task, of};
}

/* Rows of the optimiser: the vectors of all words. */
static int64_t rows_of(const vw_block_shape *s) {
  return s->step.K * (s->vectors > 1 ? s->vectors : 1);
}

static void emit_update(vw_graph *g, const vw_learn_config *learn, const vw_block_shape *s, int64_t C, vw_value words,
                        vw_value gradient, vw_value step) {
  const vw_tensor matrix = vw_shape(VW_HEAD, rows_of(s), C);
  const vw_value anchors = vw_input(g, matrix, "anchors"),
                 radius = vw_input(g, vw_shape(VW_HEAD, rows_of(s)), "radius");
  if (learn->optimiser == VW_ADAMW) {
    const vw_adamw_moments mv = {.m = vw_state(g, matrix, "adam_m"), .v = vw_state(g, matrix, "adam_v")};
    const vw_adamw_attr attr = {
        .lr = learn->lr, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .weight_decay = learn->weight_decay};
    (void)vw_adamw_step(g, words, gradient, anchors, radius, mv, step, attr);
  } else {
    const vw_pgd_attr attr = {.eta0 = learn->eta, .steps = learn->steps};
    (void)vw_pgd_step(g, words, gradient, anchors, radius, step, attr);
  }
}

static void emit_rest_of_step(vw_graph *g, const vw_learn_config *learn, const vw_block_shape *s, int64_t C,
                              vw_value words, vw_value gradient, vw_value loss, vw_value step) {
  emit_update(g, learn, s, C, words, gradient, step);
  (void)vw_record(g, vw_state(g, vw_shape(VW_HEAD, s->points, s->step.K), "history"), loss, step, s->every);
  (void)vw_advance(g, step);
}

static vw_status update_graph(vw_graph *g, const vw_learn_config *learn, const vw_block_shape *s, int64_t C) {
  const vw_tensor matrix = vw_shape(VW_HEAD, rows_of(s), C);
  const vw_value words = vw_state(g, matrix, "words"), step = vw_state(g, vw_shape(VW_I64, 1), "step");
  const vw_value gradient = vw_input(g, matrix, "gradient"), loss = vw_input(g, vw_shape(VW_HEAD, s->step.K), "loss");
  emit_rest_of_step(g, learn, s, C, words, gradient, loss, step);
  return vw_graph_status(g);
}

vw_status vw_block_graph(vw_graph *g, const vw_block_loss *emit, const vw_learn_config *learn,
                         const vw_block_shape *shape, int64_t C, vw_block_mode mode) {
  const bool train = mode == VW_BLOCK_TRAIN, is_fixed = mode == VW_BLOCK_WATCH || mode == VW_BLOCK_LOOK;
  const bool slice = mode == VW_BLOCK_SLICE; /* its gradient is laid where the sum reads it: it must not be a view */
  const int64_t rows = slice ? shape->step.K : rows_of(shape), numbers = rows_of(shape) / rows * C;
  const vw_tensor matrix = vw_shape(VW_HEAD, rows, numbers), one = vw_shape(VW_I64, 1);
  vw_block_shape s = *shape;
  if (mode == VW_BLOCK_UPDATE) return update_graph(g, learn, &s, C);
  if (!slice) s.step.slice = s.step.slices = 0;
  const vw_value words = train ? vw_state(g, matrix, "words") : vw_input(g, matrix, "words");
  const vw_value step = train ? vw_state(g, one, "step") : vw_input(g, one, "step");
  const vw_value whole =
      s.vectors > 1 && !slice ? vw_view(g, words, vw_shape(VW_HEAD, s.step.K, s.vectors * C)) : words;
  const vw_step_in in = {.words = whole, .step = step, .set = is_fixed ? VW_DRAW_WATCH : 0};
  vw_value loss = VW_NONE, gradient = VW_NONE;
  VW_TRY(emit->emit(emit->user, g, &s.step, &in, &loss));
  if (mode != VW_BLOCK_LOOK) VW_TRY(vw_reverse(g, loss, &words, 1, &gradient));
  if (train)
    emit_rest_of_step(g, learn, &s, C, words, gradient, loss, step);
  else if (mode != VW_BLOCK_LOOK)
    vw_output(g, gradient, "gradient");
  vw_output(g, loss, "loss");
  return vw_graph_status(g);
}

vw_status vw_block_task_graph(vw_graph *g, const vw_task_kind *task, const vw_task_inputs *in,
                              const vw_learn_config *learn, const vw_block_shape *s, vw_block_mode mode) {
  const vw_task_loss of = {task, in};
  const vw_block_loss loss = vw_block_loss_of(&of);
  VW_TRY(vw_block_graph(g, &loss, learn, s, in->network->width, mode));
  return vw_recompute(g, &in->network->policy, s->segments);
}

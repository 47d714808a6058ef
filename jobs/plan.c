/* `plan`: what a study would do. Never calls MPI_Init. */
#include "jobs/session.h"

#include <jansson.h>
#include <stdlib.h>

static void print_memory(const vw_session *s, const vw_learn_memory *m) {
  const bool device = s->ctx.backend == VW_CUDA;
  (void)printf(
      "  memory of a rank%s: %.1f MiB for the largest block, %.1f for a picture, %.1f for texts; weights %.1f\n",
      device ? " on its device" : "", (double)m->block / 1048576, (double)m->pictures / 1048576,
      (double)m->texts / 1048576, (double)m->weights / 1048576);
}

static void print_json(const vw_session *s, const vw_learn_memory *m) {
  json_t *blocks = json_array();
  for (int64_t i = 0; i < s->plan->n_blocks; i++) {
    const vw_block *b = &s->plan->blocks[i];
    char id[VW_HASH_TEXT];
    vw_hash_text(b->id, id);
    json_array_append_new(blocks, json_pack("{s:s, s:s, s:s, s:I, s:I}", "id", id, "model", b->model, "data", b->data,
                                            "trials", (json_int_t)b->n, "selected", (json_int_t)b->n_selected));
  }
  json_t *all = json_pack("{s:s, s:I, s:I, s:I, s:{s:I, s:I, s:I, s:I, s:I}, s:o}", "study", s->config->study, "trials",
                          (json_int_t)s->plan->n_selected, "new", (json_int_t)s->plan->n_new, "ranks",
                          (json_int_t)s->config->ranks, "memory", "peak", (json_int_t)m->peak, "weights",
                          (json_int_t)m->weights, "pictures", (json_int_t)m->pictures, "texts", (json_int_t)m->texts,
                          "block", (json_int_t)m->block, "blocks", blocks);
  (void)json_dumpf(all, stdout, JSON_INDENT(1));
  (void)printf("\n");
  json_decref(all);
}

int vw_job_plan(int argc, char **argv) {
  vw_session_options o = {0};
  const char *positional[1];
  bool keys = false;
  const vw_option options[] = {
      {"out", 'o', VW_OPT_STRING, &o.out, "DIR", "look at the plan of this output directory too"},
      {"backend", 'b', VW_OPT_STRING, &o.backend, "NAME", "auto, ref, cpu, cuda"},
      {"precision", 0, VW_OPT_STRING, &o.precision, "NAME",
       "of cuda: auto, fp32, tf32, mixed, bf16; default: the study's"},
      {"keys", 0, VW_OPT_FLAG, &keys, NULL, "print every key of a study file with its default"},
      {"json", 0, VW_OPT_FLAG, &o.json, NULL, "as JSON"},
      {0}};
  static const char *const names[] = {"STUDY.yaml"};
  const vw_command_line c = {"plan",
                             "STUDY.yaml [-o DIR]",
                             "Lists the trials and blocks of a study; computes nothing, writes nothing.",
                             options,
                             names,
                             0,
                             1};
  int code = 0;
  if (!vw_begin(&c, argc, argv, positional, &code)) return code;
  if (keys) {
    vw_study_print_keys(stdout, false);
    return VW_EXIT_OK;
  }
  if (!positional[0]) {
    (void)fprintf(stderr, "viswords plan: STUDY.yaml is missing; usage: viswords plan %s\n", c.arguments);
    return VW_EXIT_REFUSED;
  }
  vw_session s = {0};
  o.study = positional[0], o.allow_other_kernels = true;
  vw_ranks_single(&s.ranks);
  vw_learn_memory memory;
  vw_status st = vw_session_open(&s, &o, false);
  double *cost = NULL;
  if (st == VW_OK) st = vw_session_memory(&s, &memory);
  if (st == VW_OK) st = vw_session_costs(&s, &cost);
  if (st == VW_OK && o.json) print_json(&s, &memory);
  if (st == VW_OK && !o.json) {
    st = vw_plan_print(s.plan, s.config->ranks, cost, stdout);
    print_memory(&s, &memory);
    if (s.is_undecided)
      (void)printf("  plan.backend is auto: the first learn decides it, cuda where every rank has a device, else cpu; "
                   "this is cpu's plan\n");
  }
  free(cost);
  code = vw_session_report(&s, st);
  vw_session_close(&s);
  return code;
}

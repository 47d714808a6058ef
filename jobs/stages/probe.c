/* The probing stage: the states of every word at all layers of its network's text tower, at the pooled token and at the
 * word's own position. An item is a block, a set of words
 * that were carried to a model, or the words that its network knows. */
#include "jobs/stages/rows.h"

#include "core/log.h"
#include "io/block_file.h"
#include "results/activations.h"

/* The file of an item. */
static int64_t file_of(const vw_activations *a, const vw_stage_item *it) {
  int64_t f = 0;
  while (a->block[f] != it->block || a->source[f] != it->source || a->data[f] != it->data) f++;
  return f;
}

static vw_status list_model(vw_session *s, const vw_results_source *source, const vw_activations *a, int64_t *number,
                            vw_stage_list *list, int64_t *missing) {
  for (int64_t f = 0; f < a->n_files; f++) {
    vw_stage_item it = {
        .block = a->block[f], .model = a->model, .source = a->source[f], .data = a->data[f], .picture = -1};
    it.cost = (double)(a->file_rows[f] * a->layers);
    const bool is_own = it.block < 0 ? vw_session_has_item(s, (*number)++) : vw_session_has_block(s, it.block);
    if (!is_own) continue;
    if (!vw_activations_can_make(source, a, f))
      ++missing[it.source != it.model];
    else if (vw_activations_has(source, a, f))
      list->units++;
    else
      VW_TRY(vw_stage_add(list, &it));
  }
  return VW_OK;
}

static vw_status list_unprobed(vw_session *s, vw_stage_list *list) {
  const vw_results_source source = vw_session_results(s);
  int64_t number = 0, missing[] = {0, 0}; /* blocks, sets of carried words */
  for (int64_t m = 0; m < s->config->n_models; m++) {
    vw_activations a;
    vw_status st = vw_activations_list(&source, m, &a);
    if (st == VW_OK) st = list_model(s, &source, &a, &number, list, missing);
    vw_activations_free(&a);
    VW_TRY(st);
  }
  if (missing[0])
    vw_log(VW_LOG_WARN, "%lld blocks are not learned yet; their words cannot be probed: run 'viswords learn'",
           (long long)missing[0]);
  if (missing[1])
    vw_log(VW_LOG_WARN, "%lld sets of words are not carried yet; they cannot be probed: run 'viswords transfer'",
           (long long)missing[1]);
  return VW_OK;
}

static vw_status probe(vw_stage_run *r, const vw_stage_item *it, bool *finished) {
  const vw_results_source source = vw_session_results(r->s);
  const double start = vw_seconds();
  vw_activations a;
  vw_status st = vw_activations_list(&source, it->model, &a);
  if (st == VW_OK) st = vw_activations_make(&source, &a, file_of(&a, it));
  vw_activations_free(&a);
  vw_sections_add(&r->s->sections, r->stage->name, "states", vw_seconds() - start);
  *finished = true;
  return st;
}

const vw_stage vw_stage_probe = {
    .name = "probe",
    .summary = "look at the words in every layer of their network",
    .help = "Keeps the states of the learned and carried words, of the anchors and of the concepts' "
            "names in every layer of the text encoder.",
    .unit = "blocks",
    .done = "probed",
    .kept = "what is probed",
    .needs = VW_STAGE_WEIGHTS,
    .has_parts = true,
    .items = list_unprobed,
    .item = probe};

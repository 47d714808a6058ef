/* The transfer stage: maps between the networks of a study, then the words that they carry, judged by the target's
 * task. The first round fits maps, an item a pair of models; the second judges words, or pictures of them where the task
 * judges picture by picture, whose metrics are a third. */
#include "jobs/stages/judging.h"
#include "jobs/stages/rows.h"

#include "core/log.h"
#include "io/block_file.h"
#include "results/collect/collect.h"
#include "tasks/generation/drawn.h"
#include "transfer/carried.h"
#include "transfer/vocabulary.h"

#include <stdlib.h>
#include <string.h>

enum { MAPS, WORDS }; /* rounds; pictures' metrics are one later */

static vw_transfer_source source_of(const vw_session *s) {
  const vw_results_source results = vw_session_results(s);
  return vw_results_transfer(&results);
}

static vw_transfer_set set_of(const vw_stage_item *it) {
  return (vw_transfer_set){
      .from = it->source, .to = it->model, .data = it->data, .block = it->block, .concept = it->concept};
}

/* ---- what is not done yet ---------------------------------------------------------------------------------------- */

static vw_status list_maps(const vw_session *s, const vw_transfer_source *t, const vw_transfer_pair *pairs, int64_t n,
                           vw_stage_list *list) {
  for (int64_t i = 0; i < n; i++) {
    const vw_stage_item it = {.block = -1, .concept = -1, .picture = -1, .source = pairs[i].from, .model = pairs[i].to};
    char id[VW_BLOCK_ID];
    VW_TRY(vw_transfer_map_id(t, it.source, it.model, id));
    if (vw_block_file_exists(s->out, id))
      list->units++;
    else
      VW_TRY(vw_stage_add(list, &it));
  }
  return VW_OK;
}

static vw_status list_set(const vw_session *s, const vw_transfer_source *t, const vw_transfer_set *set,
                          vw_stage_list *list) {
  const vw_stage_item it = {.block = set->block,
                            .pictures = s->config->transfer.pictures,
                            .concept = set->concept,
                            .source = set->from,
                            .model = set->to,
                            .data = set->data};
  char id[VW_BLOCK_ID];
  VW_TRY(vw_transfer_set_id(t, set, id));
  return vw_judging_list(s, list, &it, WORDS, id, true);
}

static bool is_learned(const vw_session *s, int64_t block) {
  char id[VW_BLOCK_ID];
  vw_block_file_id(&s->plan->blocks[block], "", id);
  return vw_block_file_exists(s->out, id);
}

static vw_status list_sets(vw_session *s, const vw_transfer_source *t, const vw_transfer_set *sets, int64_t n,
                           vw_stage_list *list) {
  int64_t missing = 0, learned = 0, number = 0;
  for (int64_t i = 0; i < n; i++) {
    if (sets[i].block < 0) {
      if (vw_session_has_item(s, number++)) VW_TRY(list_set(s, t, &sets[i], list));
      continue;
    }
    const bool is = is_learned(s, sets[i].block);
    learned += is, missing += !is;
    if (is && vw_session_has_block(s, sets[i].block)) VW_TRY(list_set(s, t, &sets[i], list));
  }
  if (!n) {
    vw_log(VW_LOG_WARN,
           "no two models learn words for the same concept, anchor, delta and replica: nothing is carried; "
           "see `trials` and models.<name>.trials, or set transfer.all: true");
    return VW_OK;
  }
  VW_CHECK(learned, VW_ERR_INPUT, "%s: no word is learned yet, so none can be carried: run 'viswords learn %s -o %s'",
           s->out, s->config->path, s->out);
  if (missing)
    vw_log(VW_LOG_WARN, "%lld blocks are not learned yet; their words cannot be carried: run 'viswords learn'",
           (long long)missing);
  return VW_OK;
}

static vw_status list_open(vw_session *s, vw_stage_list *list) {
  const vw_transfer_source t = source_of(s);
  vw_transfer_pair *pairs = NULL;
  vw_transfer_set *sets = NULL;
  int64_t n_pairs = 0, n_sets = 0;
  vw_status st = VW_OK;
  VW_GOTO(vw_transfer_pairs(&t, &pairs, &n_pairs));
  VW_GOTO(vw_transfer_sets(&t, pairs, n_pairs, &sets, &n_sets));
  VW_GOTO(list_maps(s, &t, pairs, n_pairs, list));
  VW_GOTO(list_sets(s, &t, sets, n_sets, list));
cleanup:
  free(pairs), free(sets);
  return st;
}

/* ---- maps -------------------------------------------------------------------------------------------------------- */

static vw_status fit(vw_session *s, const vw_transfer_source *t, const vw_transfer_pair *pair) {
  const vw_map_rule rule = vw_transfer_rule(s->config);
  const vw_network *from = s->networks[pair->from], *to = s->networks[pair->to];
  vw_common_words words;
  vw_map map = {0};
  vw_status st = VW_OK;
  VW_GOTO(vw_common_words_find(&words, from, to));
  VW_GOTO(vw_common_words_fit(&words, from, to, &rule, &map));
  if (map.r2_held_out < 0)
    vw_log(
        VW_LOG_WARN,
        "the map from %s to %s explains nothing of words that it was not fitted on (held-out R^2 %.2f): read what it "
        "carries with care",
        s->config->models[pair->from].name, s->config->models[pair->to].name, map.r2_held_out);
  VW_GOTO(vw_session_inputs_unchanged(s));
  VW_GOTO(vw_map_write(&map, t, pair));
cleanup:
  vw_common_words_free(&words), vw_map_free(&map);
  return st;
}

/* ---- words ------------------------------------------------------------------------------------------------------- */

/* What a carried word's pictures are called: "from-clip-objects-dog-0.5-r0". */
typedef struct word_names {
  char (*label)[VW_DRAWN_LABEL];
  const char **anchors, **labels; /* [n] as in vw_judged */
} word_names;

static void names_free(word_names *names) {
  free(names->label), free((void *)names->anchors), free((void *)names->labels);
}

static vw_status names_of(word_names *names, const vw_judging *j, const vw_carried *c) {
  const size_t room = (size_t)c->n + 1;
  const char *from = j->s->config->models[j->it->source].name;
  *names = (word_names){calloc(room, sizeof *names->label), calloc(room, sizeof *names->anchors),
                        calloc(room, sizeof *names->labels)};
  VW_CHECK(names->label && names->anchors && names->labels, VW_ERR_MEMORY, "transfer: out of memory");
  for (int64_t i = 0; i < c->n; i++) {
    const vw_carried_row *r = &c->rows[i];
    vw_carried_label(r, from, names->label[i]);
    names->anchors[i] = r->anchor[0] ? r->anchor : NULL;
    names->labels[i] = r->is_carried ? names->label[i] : NULL;
  }
  return VW_OK;
}

static vw_status judge_words(vw_judging *j, const vw_carried *c, double *metrics) {
  word_names names = {0};
  vw_status st = names_of(&names, j, c);
  for (int64_t first = 0, end; st == VW_OK && first < c->n; first = end) {
    for (end = first + 1; end < c->n && !strcmp(c->rows[end].concept, c->rows[first].concept);) end++;
    const vw_judged w = {.concept = c->rows[first].concept,
                         .n = end - first,
                         .words = c->words + first * c->vectors * c->to_width,
                         .anchors = names.anchors + first,
                         .labels = names.labels + first,
                         .are_baselines = j->it->block < 0};
    st = vw_judging_words(j, &w, first, metrics);
  }
  names_free(&names);
  return st;
}

static vw_status carry(vw_judging *j, const vw_transfer_source *t, const vw_transfer_set *set, vw_carried *c,
                       const vw_map *map) {
  double *metrics = NULL;
  vw_status st = VW_OK;
  VW_TRY(vw_carried_list(c, t, set));
  VW_TRY(vw_carried_carry(c, t, set, map));
  j->n = c->n;
  metrics = calloc((size_t)(c->n * j->task->kind->n_metrics) + 1, sizeof *metrics);
  VW_CHECK(metrics, VW_ERR_MEMORY, "transfer: out of memory");
  VW_GOTO(vw_judging_open(j, true));
  VW_GOTO(judge_words(j, c, metrics));
  if (j->it->picture < 0) {
    VW_GOTO(vw_carried_measure(c, t, set, map));
    VW_GOTO(vw_session_inputs_unchanged(j->s));
    VW_GOTO(vw_carried_write(c, t, set, metrics, &j->kept));
  }
  VW_GOTO(vw_judging_end(j));
cleanup:
  free(metrics);
  return st;
}

static vw_status judge_set(vw_stage_run *r, const vw_transfer_source *t, const vw_stage_item *it, bool *finished) {
  vw_session *s = r->s;
  const vw_transfer_set set = set_of(it);
  vw_judging j = {.s = s, .it = it, .run = r};
  vw_map map = {0};
  vw_carried c = {0};
  vw_status st = VW_OK;
  VW_GOTO(vw_session_task(s, it->model, it->data, &j.task));
  VW_GOTO(vw_transfer_set_id(t, &set, j.stem));
  VW_GOTO(vw_map_read(&map, t, &(vw_transfer_pair){set.from, set.to}));
  VW_GOTO(carry(&j, t, &set, &c, &map));
  *finished = !j.stopped;
cleanup:
  vw_carried_free(&c), vw_map_free(&map);
  vw_judging_free(&j);
  return st;
}

static vw_status transfer(vw_stage_run *r, const vw_stage_item *it, bool *finished) {
  const vw_transfer_source t = source_of(r->s);
  const bool is_map = it->block < 0 && it->concept < 0;
  const double start = vw_seconds();
  *finished = true;
  VW_TRY(is_map ? fit(r->s, &t, &(vw_transfer_pair){it->source, it->model}) : judge_set(r, &t, it, finished));
  vw_sections_add(&r->s->sections, r->stage->name, is_map ? "maps" : "words", vw_seconds() - start);
  return VW_OK;
}

const vw_stage vw_stage_transfer = {.name = "transfer",
                                    .summary = "carry words to the other networks and judge them there",
                                    .help = "Carries the learned words to the other networks of the study by a map of "
                                            "the words that both know, and judges them there. With --from and "
                                            "--to it carries words of a file: WORD is PATH[:PART,...], an output "
                                            "directory, a block or safetensors file.",
                                    .unit = "sets of words",
                                    .done = "carried and judged",
                                    .kept = "maps and what is judged",
                                    .needs = VW_STAGE_WEIGHTS | VW_STAGE_CACHE,
                                    .carries_words = true,
                                    .keeps = true,
                                    .has_parts = true,
                                    .items = list_open,
                                    .item = transfer};

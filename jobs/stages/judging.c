#include "jobs/stages/judging.h"

#include "io/block_file.h"
#include "results/judging_pieces.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static vw_words_to_judge words_of(const vw_stage_item *it) {
  return (vw_words_to_judge){
      .model = it->model, .data = it->data, .block = it->block, .layer = it->layer, .pictures = it->pictures};
}

/* Pictures that the judging is cut into, and their numbers a word. */
static vw_status parts_of(const vw_session *s, const vw_stage_item *it, int64_t *pictures, int64_t *numbers) {
  const vw_task_inputs in = vw_session_inputs(s, it->model, it->data);
  const vw_words_to_judge words = words_of(it);
  return vw_judging_pieces(s->kinds[it->model]->task, &in, &words, pictures, numbers);
}

/* The metrics are there and, where they are asked for, the numbers that the task keeps of words. */
static vw_status is_done(const vw_session *s, int64_t model, const char *stem, bool wants_kept, bool *done) {
  const vw_kept_kind *kept = s->kinds[model]->task->kept;
  vw_safetensors *f = NULL;
  *done = vw_block_file_exists(s->out, stem);
  if (!*done || !wants_kept || !kept) return VW_OK;
  VW_TRY(vw_block_file_open(s->out, stem, &f));
  *done = vw_safetensors_has(f, kept->name);
  vw_safetensors_close(f);
  return VW_OK;
}

/* The first goes last: while any is there, it is. */
static vw_status remove_parts(const vw_session *s, const char *stem, int64_t pictures) {
  char id[VW_BLOCK_ID];
  for (int64_t p = pictures - 1; p >= 0; p--) {
    VW_TRY(vw_judged_part_id(stem, p, id));
    VW_TRY(vw_block_file_remove(s->out, id));
  }
  return VW_OK;
}

/* What a run left that was killed between writing the metrics and removing the pictures' files. Where the numbers that
 * the task keeps are still missing (--complete was stopped), the pictures may be those of judging again. */
static vw_status clear_parts(const vw_session *s, const vw_stage_item *it, const char *stem, bool keeps) {
  int64_t pictures = 0, numbers = 0;
  char id[VW_BLOCK_ID], path[VW_PATH_BYTES];
  bool whole = true;
  if (s->kinds[it->model]->task->judge) return VW_OK;
  VW_TRY(vw_judged_part_id(stem, 0, id));
  VW_TRY(vw_block_file_path(path, s->out, id));
  if (!vw_file_exists(path)) return VW_OK;
  VW_TRY(is_done(s, it->model, stem, keeps, &whole));
  if (!whole) return VW_OK;
  VW_TRY(parts_of(s, it, &pictures, &numbers));
  return remove_parts(s, stem, pictures);
}

static vw_status add_items(const vw_session *s, vw_stage_list *list, vw_stage_item it, int64_t round,
                           const char *stem) {
  const vw_task_kind *task = s->kinds[it.model]->task;
  int64_t pictures = 0, numbers = 0;
  char id[VW_BLOCK_ID];
  it.picture = -1, it.round = task->judge ? round : round + 1;
  VW_TRY(vw_stage_add(list, &it));
  if (task->judge) return VW_OK;
  it.round = round;
  const vw_words_to_judge words = words_of(&it);
  VW_TRY(parts_of(s, &it, &pictures, &numbers));
  for (it.picture = 0; it.picture < pictures; it.picture++) {
    it.group = vw_judging_group(task, &words, s->config->n_data, it.picture);
    VW_TRY(vw_judged_part_id(stem, it.picture, id));
    if (!vw_block_file_exists(s->out, id)) VW_TRY(vw_stage_add(list, &it));
  }
  return VW_OK;
}

vw_status vw_judging_list(const vw_session *s, vw_stage_list *list, const vw_stage_item *it, int64_t round,
                          const char *stem, bool keeps) {
  bool done = false;
  VW_TRY(is_done(s, it->model, stem, keeps && s->options.completes, &done));
  if (!done) return add_items(s, list, *it, round, stem);
  list->units++;
  return clear_parts(s, it, stem, keeps);
}

/* Room for what is kept, all NaN. */
static vw_status open_kept(vw_judging *j) {
  VW_TRY(vw_task_keeps(j->task->kind, &j->task->in, &j->kept));
  if (!j->kept.kind) return VW_OK;
  const int64_t all = j->n * j->kept.each;
  j->kept.numbers = malloc((size_t)all * sizeof *j->kept.numbers + 1);
  VW_CHECK(j->kept.numbers, VW_ERR_MEMORY, "evaluation: out of memory");
  for (int64_t i = 0; i < all; i++) j->kept.numbers[i] = NAN;
  return VW_OK;
}

void vw_judging_free(vw_judging *j) {
  free(j->part), free(j->kept.numbers);
  j->part = NULL, j->kept = (vw_kept_numbers){0};
}

/* Numbers of a word in a part of an earlier version. */
static vw_status earlier_numbers(const vw_judging *j, int64_t *numbers) {
  vw_kept_numbers kept;
  VW_TRY(vw_task_keeps(j->task->kind, &j->task->in, &kept));
  *numbers = j->numbers - (kept.kind && kept.kind->are_features ? kept.each : 0);
  return VW_OK;
}

vw_status vw_judging_open(vw_judging *j, bool keeps) {
  const vw_stage_item *it = j->it;
  char id[VW_BLOCK_ID];
  int64_t earlier = 0;
  if (keeps && it->picture < 0) VW_TRY(open_kept(j));
  if (j->task->kind->judge) return VW_OK;
  VW_TRY(parts_of(j->s, it, &j->pictures, &j->numbers));
  const int64_t one = j->n * j->numbers, parts = it->picture >= 0 ? 1 : j->pictures;
  j->part = calloc((size_t)(parts * one) + 1, sizeof *j->part);
  VW_CHECK(j->part, VW_ERR_MEMORY, "evaluation: out of memory");
  VW_TRY(earlier_numbers(j, &earlier));
  for (int64_t p = 0; it->picture < 0 && p < parts; p++) {
    VW_TRY(vw_judged_part_id(j->stem, p, id));
    VW_TRY(vw_judged_part_read(j->s->out, id, j->n, j->numbers, earlier, j->part + p * one));
  }
  return VW_OK;
}

static bool should_stop(void *user) {
  vw_stage_run *run = user;
  vw_queue_poll(run->queue);
  return vw_stage_should_stop(run);
}

/* One picture of words. */
static vw_status judge_picture(vw_judging *j, const vw_judged *w, int64_t first) {
  vw_judge_watch watch = {.user = j->run, .stop = should_stop};
  vw_judged some = *w;
  some.watch = &watch;
  if (j->stopped) return VW_OK;
  const vw_status st = j->task->kind->judge_picture(j->task, &some, j->it->picture, j->part + first * j->numbers);
  j->stopped = watch.stopped;
  return st;
}

vw_status vw_judging_words(vw_judging *j, const vw_judged *w, int64_t first, double *metrics) {
  const vw_task_kind *kind = j->task->kind;
  const int64_t m = j->numbers;
  if (kind->judge) return kind->judge(j->task, w, metrics + first * kind->n_metrics);
  if (j->it->picture >= 0) return judge_picture(j, w, first);
  double *own = malloc((size_t)(j->pictures * w->n * m) * sizeof *own + 1);
  VW_CHECK(own, VW_ERR_MEMORY, "evaluation: out of memory");
  for (int64_t p = 0; p < j->pictures; p++)
    memcpy(own + p * w->n * m, j->part + (p * j->n + first) * m, (size_t)(w->n * m) * sizeof *own);
  vw_judged all = *w;
  all.parts = j->pictures;
  vw_status st = kind->judge_end(j->task, &all, own, metrics + first * kind->n_metrics);
  if (st == VW_OK && j->kept.kind) st = kind->judge_kept(j->task, &all, own, j->kept.numbers + first * j->kept.each);
  free(own);
  return st;
}

vw_status vw_judging_end(const vw_judging *j) {
  char id[VW_BLOCK_ID];
  if (j->stopped) return VW_OK;
  if (j->it->picture >= 0) {
    VW_TRY(vw_session_inputs_unchanged(j->s));
    VW_TRY(vw_judged_part_id(j->stem, j->it->picture, id));
    return vw_judged_part_write(j->s->out, id, j->n, j->numbers, j->part);
  }
  return remove_parts(j->s, j->stem, j->pictures);
}

/* What judging kept of words and baselines beside their metrics: every rank reads its share of the files, rank 0 gets
 * all numbers, in the order of the rows. */
#include "results/collect/collect.h"

#include "core/log.h"
#include "io/block_file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* One file with metrics, and where its numbers belong: rows first + i, or rows[i] (-1: nowhere). */
typedef struct kept_file {
  vw_kept_numbers kept;
  int64_t n, first, *rows;
} kept_file;

/* This rank's files of a model. */
typedef struct kept_files {
  kept_file *file;
  int64_t n, room, unkept;
} kept_files;

static void files_free(kept_files *all) {
  for (int64_t i = 0; i < all->n; i++) free(all->file[i].kept.numbers), free(all->file[i].rows);
  free(all->file);
}

/* The words of a file: as many as it has metrics of. */
static vw_status load(const vw_safetensors *f, kept_file *to) {
  vw_tensor t;
  VW_TRY(vw_safetensors_find(f, "metrics", &t));
  to->n = t.dim[0];
  return vw_kept_load(f, to->n, &to->kept);
}

/* A file that is damaged was named, and is left out, by who read its metrics. */
static vw_status take_file(kept_files *all, const vw_results_source *s, const char *id, const vw_kept_kind *kind,
                           kept_file **out) {
  char path[VW_PATH_BYTES];
  vw_safetensors *f = NULL;
  *out = NULL;
  VW_TRY(vw_block_file_path(path, s->out, id));
  if (!vw_file_exists(path)) return VW_OK;
  if (all->n == all->room) {
    kept_file *more = realloc(all->file, (size_t)(2 * all->room + 16) * sizeof *more);
    VW_CHECK(more, VW_ERR_MEMORY, "collect: out of memory");
    all->file = more, all->room = 2 * all->room + 16;
  }
  kept_file *to = &all->file[all->n];
  *to = (kept_file){.kept = {.kind = kind}};
  vw_status st = vw_block_file_open(s->out, id, &f);
  if (st == VW_OK) st = load(f, to);
  vw_safetensors_close(f);
  if (st == VW_ERR_INPUT) {
    vw_error_clear();
    return VW_OK;
  }
  VW_TRY(st);
  all->unkept += !to->kept.numbers;
  all->n++, *out = to;
  return VW_OK;
}

static vw_status take_block(kept_files *all, const vw_collected *c, const vw_block *b, const vw_kept_kind *kind) {
  char id[VW_BLOCK_ID];
  kept_file *f = NULL;
  vw_block_evaluation_id(b, id);
  VW_TRY(take_file(all, c->s, id, kind, &f));
  if (!f) return VW_OK;
  f->rows = malloc((size_t)(f->n + 1) * sizeof *f->rows);
  VW_CHECK(f->rows, VW_ERR_MEMORY, "collect: out of memory");
  for (int64_t k = 0; k < f->n; k++) {
    const int64_t row = k < b->n ? c->s->plan->trials[b->first + k].row : -1;
    f->rows[k] = row < 0 ? -1 : c->rows[row].model_row;
  }
  return VW_OK;
}

/* c->file: the blocks whose metrics are there and this rank's. */
static vw_status take_blocks(kept_files *all, const vw_collected *c, int64_t model) {
  for (int64_t i = 0; i < c->s->plan->n_blocks; i++)
    if (c->file[i] && c->s->plan->blocks[i].model_index == model)
      VW_TRY(take_block(all, c, &c->s->plan->blocks[i], vw_collect_task(c, model)->kept));
  return VW_OK;
}

/* A model's baselines stand together, those of a concept too. */
static vw_status take_baselines(kept_files *all, const vw_collected *c, int64_t model, const vw_kept_part *p) {
  const vw_baseline *b = c->baselines + p->first_baseline;
  for (int64_t i = 0, end; i < p->n_baselines; i = end) {
    char id[VW_BLOCK_ID];
    kept_file *f = NULL;
    for (end = i + 1; end < p->n_baselines && b[end].item == b[i].item;) end++;
    if (b[i].item % c->s->ranks.size != c->s->ranks.rank) continue;
    VW_TRY(vw_results_baseline_id(c->s, model, b[i].data_index, b[i].concept_index, id));
    VW_TRY(take_file(all, c->s, id, vw_collect_task(c, model)->kept, &f));
    if (!f) continue;
    f->first = i;
    if (f->n != end - i) f->n = 0; /* of other rows than those that were read: somebody wrote it since */
  }
  return VW_OK;
}

/* ---- rank 0 gets them -------------------------------------------------------------------------------------------- */

/* Collective. The largest sizes that any rank has; *found: there are some. Files of other sizes count as without. */
static vw_status agree_on_sizes(const vw_ranks *ranks, const kept_files *all, vw_kept_numbers *out, bool *found) {
  int64_t sizes[VW_KEPT_DIMS + 1] = {0};
  for (int64_t i = 0; i < all->n; i++)
    for (int k = 0; all->file[i].kept.numbers && k < VW_KEPT_DIMS; k++) {
      const int64_t d = all->file[i].kept.dim[k];
      sizes[0] = 1;
      if (d > sizes[1 + k]) sizes[1 + k] = d;
    }
  VW_TRY(vw_ranks_reduce(ranks, sizes, VW_KEPT_DIMS + 1, VW_REDUCE_MAX));
  *found = sizes[0] > 0, out->each = 1;
  for (int k = 0; k < VW_KEPT_DIMS; k++) out->dim[k] = sizes[1 + k];
  for (int k = 0; k < out->kind->ndim; k++) out->each *= out->dim[k];
  return VW_OK;
}

static bool fits(const kept_file *f, const vw_kept_numbers *like) {
  for (int k = 0; k < like->kind->ndim; k++)
    if (f->kept.dim[k] != like->dim[k]) return false;
  return f->kept.numbers != NULL;
}

/* A row as it travels: its place, then its numbers. */
static size_t row_bytes(const vw_kept_numbers *k) {
  return sizeof(int64_t) + (size_t)k->each * sizeof(float);
}

static int64_t pack(const kept_files *all, const vw_kept_numbers *like, char *to) {
  const size_t numbers = (size_t)like->each * sizeof(float);
  int64_t n = 0;
  for (int64_t i = 0; i < all->n; i++) {
    const kept_file *f = &all->file[i];
    for (int64_t k = 0; fits(f, like) && k < f->n; k++) {
      const int64_t row = f->rows ? f->rows[k] : f->first + k;
      if (row < 0) continue;
      memcpy(to, &row, sizeof row), memcpy(to + sizeof row, f->kept.numbers + k * like->each, numbers);
      to += row_bytes(like), n++;
    }
  }
  return n;
}

/* Rank 0: the rows at their places among n; NaN where none came. */
static vw_status unpack(const char *rows, int64_t n_rows, int64_t n, vw_kept_numbers *kept) {
  kept->numbers = malloc((size_t)(n * kept->each) * sizeof *kept->numbers + 1);
  VW_CHECK(kept->numbers, VW_ERR_MEMORY, "collect: out of memory");
  for (int64_t i = 0; i < n * kept->each; i++) kept->numbers[i] = NAN;
  for (int64_t i = 0; i < n_rows; i++, rows += row_bytes(kept)) {
    int64_t row = 0;
    memcpy(&row, rows, sizeof row);
    if (row < n) memcpy(kept->numbers + row * kept->each, rows + sizeof row, (size_t)kept->each * sizeof(float));
  }
  return VW_OK;
}

/* Collective. kept of n rows from all ranks' files. */
static vw_status gather(const vw_ranks *ranks, const kept_files *all, int64_t n, vw_kept_numbers *kept) {
  const int64_t bytes = (int64_t)row_bytes(kept);
  int64_t own = 0, *counts = calloc((size_t)ranks->size, sizeof *counts), total = 0;
  void *rows = NULL;
  for (int64_t i = 0; i < all->n; i++) own += fits(&all->file[i], kept) ? all->file[i].n : 0;
  char *mine = malloc((size_t)(own * bytes) + 1);
  vw_status st = mine && counts ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "collect: out of memory");
  VW_GOTO(vw_agree_message(ranks, st));
  own = pack(all, kept, mine);
  VW_GOTO(vw_ranks_gather(ranks, mine, own * bytes, &rows, counts));
  for (int r = 0; r < ranks->size; r++) total += counts[r] / bytes;
  if (ranks->rank == 0) st = unpack(rows, total, n, kept);
  VW_GOTO(vw_agree_message(ranks, st));
cleanup:
  free(mine), free(counts), free(rows);
  return st;
}

/* ---- a model ----------------------------------------------------------------------------------------------------- */

static void find_baselines(const vw_collected *c, int64_t model, vw_kept_part *p) {
  for (int64_t i = 0; i < c->n_baselines; i++) {
    if (c->baselines[i].model_index != model) continue;
    if (!p->n_baselines++) p->first_baseline = i;
  }
}

static vw_status collect_model(vw_collected *c, int64_t model) {
  const vw_ranks *ranks = &c->s->ranks;
  const vw_kept_kind *kind = vw_collect_task(c, model)->kept;
  vw_kept_part *p = &c->kept[model];
  kept_files words = {0}, baselines = {0};
  vw_kept_numbers kept = {.kind = kind};
  bool found = false;
  vw_status st = VW_OK;
  if (!kind) return VW_OK;
  find_baselines(c, model, p);
  VW_GOTO(vw_agree_message(ranks, take_blocks(&words, c, model)));
  VW_GOTO(vw_agree_message(ranks, take_baselines(&baselines, c, model, p)));
  c->unkept += words.unkept + baselines.unkept;
  VW_GOTO(agree_on_sizes(ranks, &words, &kept, &found));
  if (!found) goto cleanup;
  p->words = p->baselines = kept;
  VW_GOTO(gather(ranks, &words, c->model_n[model], &p->words));
  VW_GOTO(gather(ranks, &baselines, p->n_baselines, &p->baselines));
cleanup:
  files_free(&words), files_free(&baselines);
  return st;
}

vw_status vw_collect_kept(vw_collected *c) {
  c->kept = calloc((size_t)c->s->config->n_models + 1, sizeof *c->kept);
  VW_TRY(vw_agree_message(&c->s->ranks, c->kept ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "collect: out of memory")));
  for (int64_t m = 0; m < c->s->config->n_models; m++) VW_TRY(collect_model(c, m));
  return vw_ranks_reduce(&c->s->ranks, &c->unkept, 1, VW_REDUCE_SUM);
}

void vw_collected_kept_free(vw_collected *c) {
  for (int64_t m = 0; c->kept && m < c->s->config->n_models; m++)
    free(c->kept[m].words.numbers), free(c->kept[m].baselines.numbers);
  free(c->kept);
  c->kept = NULL;
}

/* All figures of a study: which there are, writing them, and the index. */
#include "results/figures/figure.h"

#include "core/durable.h"
#include "core/fault.h"
#include "core/log.h"
#include "io/json.h"
#include "tasks/generation/drawn.h"

#include <stdlib.h>
#include <string.h>

typedef struct maker {
  const char *name; /* of the kind */
  vw_figure_make make;
} maker;
static const maker makers[] = {{"%s_against_delta", vw_figure_against_delta}, {"transfer_%s", vw_figure_transfer},
                               {"transfer_matrix", vw_figure_matrix},         {"tsne_%s", vw_figure_tsne},
                               {"truncation_%s", vw_figure_truncation},       {"probe", vw_figure_probe},
                               {"performant", vw_figure_performant},          {"loss_%s", vw_figure_loss},
                               {"constraint", vw_figure_constraint}};

static vw_figure_make maker_of(const vw_figure_kind *kind) {
  for (size_t i = 0; i < sizeof makers / sizeof *makers; i++)
    if (!strcmp(makers[i].name, kind->name)) return makers[i].make;
  return NULL;
}

/* ---- which there are --------------------------------------------------------------------------------------------- */

typedef struct list {
  vw_figure *of;
  int64_t n, room;
} list;

static vw_status add(list *l, const vw_figure_kind *kind, const char *subject, const char *inserted) {
  if (l->n == l->room) {
    const int64_t room = 2 * l->room + 16;
    vw_figure *more = realloc(l->of, (size_t)room * sizeof *more);
    VW_CHECK(more, VW_ERR_MEMORY, "figures: out of memory");
    l->of = more, l->room = room;
  }
  vw_figure *f = &l->of[l->n++];
  *f = (vw_figure){.kind = kind};
  (void)snprintf(f->subject, sizeof f->subject, "%s", subject);
  const char *at = strstr(kind->name, "%s");
  if (at)
    (void)snprintf(f->name, sizeof f->name, "%.*s%s%s", (int)(at - kind->name), kind->name, inserted, at + 2);
  else
    (void)snprintf(f->name, sizeof f->name, "%s", kind->name);
  return VW_OK;
}

static vw_status add_tasks(const vw_figure_source *s, list *l, const vw_figure_kind *kind) {
  for (int k = 0; k < vw_n_kinds; k++) {
    const vw_task_kind *task = vw_kinds[k].task;
    char path[320];
    bool is_first = true;
    for (int i = 0; i < k; i++) is_first &= vw_kinds[i].task != task;
    (void)snprintf(path, sizeof path, "/summary/%s/n", task->name);
    if (is_first && vw_figure_has(s, path)) VW_TRY(add(l, kind, task->name, task->metrics[task->headline].name));
  }
  return VW_OK;
}

static vw_status add_models(vw_figure_source *s, list *l, const vw_figure_kind *kind) {
  enum { MOST = 64 };
  const char *const *models = NULL, *distinct[MOST];
  char tame[VW_DRAWN_NAME];
  int64_t n = 0;
  VW_TRY(vw_figure_texts(s, "/trials/model", &models, &n));
  n = vw_figure_distinct(models, n, distinct, MOST);
  for (int64_t i = 0; i < n && i < MOST; i++) {
    vw_drawn_tame(distinct[i], false, tame);
    VW_TRY(add(l, kind, distinct[i], tame));
  }
  return VW_OK;
}

static vw_status list_all(vw_figure_source *s, vw_figures_choice which, list *l) {
  for (int k = 0; k < (which == VW_FIGURES_OF_COLLECT ? 1 : vw_n_figure_kinds); k++) {
    const vw_figure_kind *kind = &vw_figure_kinds[k];
    if (!maker_of(kind)) continue;
    VW_TRY(kind->subject == VW_FIGURE_OF_TASK    ? add_tasks(s, l, kind)
           : kind->subject == VW_FIGURE_OF_MODEL ? add_models(s, l, kind)
                                                 : add(l, kind, "", ""));
  }
  return VW_OK;
}

/* ---- one --------------------------------------------------------------------------------------------------------- */

static vw_status write_files(const vw_figure_source *s, const vw_figure *f, vw_figure_drawing *d) {
  char path[VW_PATH_BYTES], csv[VW_PATH_BYTES], title[1024], description[2048];
  VW_TRY(vw_path_format(path, "%s/figures/%s", s->dir, f->name));
  VW_TRY(vw_path_format(csv, "%s.csv", path));
  (void)snprintf(title, sizeof title, "%s: %s", s->study, d->page.title);
  (void)snprintf(description, sizeof description, "%s %s", f->kind->caption, d->note);
  VW_TRY(vw_file_write(csv, d->csv, (int64_t)d->csv_bytes));
  d->page.title = title, d->page.description = description;
  const vw_status st = vw_page_write(&d->page, path, f->name, NULL);
  d->page.title = d->page.description = NULL;
  return st;
}

static vw_status make_one(vw_figure_source *s, vw_figure *f) {
  vw_figure_drawing d = {0};
  vw_status st = maker_of(f->kind)(s, f->subject, &d);
  f->made = st == VW_OK && d.page.draw;
  if (f->made) st = write_files(s, f, &d);
  (void)snprintf(f->note, sizeof f->note, "%s", d.note);
  if (st == VW_OK && !f->made && !d.note[0])
    (void)snprintf(f->note, sizeof f->note,
                   "the study has no results of 'viswords %s': run it, then 'viswords collect'", f->kind->command);
  free(d.csv);
  return st;
}

/* ---- the index --------------------------------------------------------------------------------------------------- */

static json_t *json_of(const vw_figure *f) {
  return json_pack("{s:s, s:s, s:o, s:b, s:s, s:s, s:s, s:o}", "name", f->name, "kind", f->kind->name, "subject",
                   vw_json_name(f->subject), "made", f->made, "title", f->kind->title, "caption", f->kind->caption,
                   "paper", f->kind->paper, "note", vw_json_name(f->note));
}

static vw_status write_index(const vw_figure_source *s, const list *l) {
  char path[VW_PATH_BYTES];
  json_t *all = json_array(), *top = json_pack("{s:O}", "figures", all);
  for (int64_t i = 0; i < l->n; i++) json_array_append_new(all, json_of(&l->of[i]));
  char *text = top && (int64_t)json_array_size(all) == l->n ? json_dumps(top, JSON_INDENT(1)) : NULL;
  json_decref(top), json_decref(all);
  vw_status st = text ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "figures: out of memory");
  if (st == VW_OK) st = vw_path_format(path, "%s/figures/index.json", s->dir);
  if (st == VW_OK) st = vw_file_write(path, text, (int64_t)strlen(text));
  free(text);
  return st;
}

/* A figure of the index; its kind must be one of ours. */
static vw_status read_figure(const char *path, const json_t *from, vw_figure *f) {
  const char *name = NULL, *kind = NULL, *subject = NULL, *note = NULL;
  VW_TRY(vw_json_text(path, "figures.", from, "name", "", &name));
  VW_TRY(vw_json_text(path, "figures.", from, "kind", "", &kind));
  VW_TRY(vw_json_text(path, "figures.", from, "subject", "", &subject));
  VW_TRY(vw_json_text(path, "figures.", from, "note", "", &note));
  for (int k = 0; k < vw_n_figure_kinds; k++)
    if (!strcmp(vw_figure_kinds[k].name, kind)) f->kind = &vw_figure_kinds[k];
  VW_CHECK(f->kind && name[0] && !strchr(name, '/'), VW_ERR_INPUT,
           "%s: '%s' is no figure of this version; run "
           "'viswords figures' again",
           path, name);
  f->made = json_is_true(json_object_get(from, "made"));
  (void)snprintf(f->name, sizeof f->name, "%s", name), (void)snprintf(f->subject, sizeof f->subject, "%s", subject);
  (void)snprintf(f->note, sizeof f->note, "%s", note);
  return VW_OK;
}

vw_status vw_figures_read(const char *dir, vw_figure **figures, int64_t *n) {
  char path[VW_PATH_BYTES];
  json_t *top = NULL;
  *figures = NULL, *n = 0;
  VW_TRY(vw_path_format(path, "%s/figures/index.json", dir));
  VW_TRY(vw_json_read_optional(path, &top));
  const json_t *all = json_object_get(top, "figures");
  const int64_t m = (int64_t)json_array_size(all);
  *figures = calloc((size_t)m + 1, sizeof **figures);
  vw_status st = *figures ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "figures: out of memory");
  for (int64_t i = 0; st == VW_OK && i < m; i++) {
    st = read_figure(path, json_array_get(all, (size_t)i), &(*figures)[i]);
    if (st == VW_OK) *n = i + 1;
  }
  json_decref(top);
  if (st != VW_OK) free(*figures), *figures = NULL, *n = 0;
  return st;
}

static void tell(const list *l) {
  for (int64_t i = 0; i < l->n; i++)
    if (!l->of[i].made)
      vw_log(VW_LOG_INFO, "figure %s is left out: %s", l->of[i].name, l->of[i].note);
    else if (l->of[i].note[0])
      vw_log(VW_LOG_INFO, "figure %s: %s", l->of[i].name, l->of[i].note);
}

/* Before a figure is made. */
static vw_status ask(const vw_figure_source *s, const vw_figure *f, bool (*stop)(void), bool *stopped) {
  char path[VW_PATH_BYTES];
  VW_TRY(vw_path_format(path, "%s/figures/%s", s->dir, f->name));
  VW_TRY(vw_fault("drawing", path));
  *stopped = stop && stop();
  return VW_OK;
}

vw_status vw_figures_make(const char *dir, vw_figures_choice which, bool (*stop)(void), bool *stopped) {
  vw_figure_source s;
  list l = {0};
  char folder[VW_PATH_BYTES];
  bool stops = false;
  vw_status st = VW_OK;
  VW_GOTO(vw_figure_source_open(&s, dir));
  VW_GOTO(vw_subfolder_make(dir, "figures", folder));
  VW_GOTO(list_all(&s, which, &l));
  if (l.n && !vw_canvas_has_font())
    vw_log(VW_LOG_WARN, "no font on this machine: figures have no letters; install one (fonts-dejavu-core)");
  for (int64_t i = 0; i < l.n; i++) {
    VW_GOTO(ask(&s, &l.of[i], stop, &stops));
    if (stops) goto cleanup;
    VW_GOTO(make_one(&s, &l.of[i]));
  }
  if (which == VW_FIGURES_ALL) VW_GOTO(write_index(&s, &l));
  tell(&l);
cleanup:
  if (stopped) *stopped = stops;
  vw_figure_source_close(&s);
  free(l.of);
  return st;
}

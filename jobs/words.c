/* `viswords words`: where learned words lie among the words of their network. */
#include "learn/words.h"
#include "core/text.h"
#include "io/json.h"
#include "jobs/any_network.h"
#include "jobs/jobs.h"
#include "jobs/word_list.h"
#include "study/near.h"
#include "study/trial.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LABEL = 64, MOST_IN_FULL = 8 };

/* A network that words were learned for, and its words. */
typedef struct home {
  vw_network *n;
  vw_word_table table;
} home;

/* One vector of a word. */
typedef struct row {
  const vw_given_word *w;
  const home *home;
  int64_t vector;
  const double *x;
  int32_t anchor;                                      /* -1: not known */
  double length, anchor_length, anchor_cosine, radius; /* NaN: not known; INFINITY: free */
  vw_word_place place;
  vw_near_word *near, *alike; /* [top] */
} row;

typedef struct telling {
  vw_context ctx;
  home *homes;
  int64_t n_homes;
  vw_word_list words;
  row *rows;
  int64_t n;
  vw_near_word *lists;
  const char *anchor, *vocabulary;
  int64_t top;
  bool json, csv;
} telling;

/* ---- numbers ----------------------------------------------------------------------------------------------------- */

static double product(const double *a, const double *b, int64_t d) {
  double sum = 0;
  for (int64_t i = 0; i < d; i++) sum += a[i] * b[i];
  return sum;
}

static vw_status find_home(const telling *t, const vw_given_word *w, const home **found) {
  *found = NULL;
  for (int64_t i = 0; i < t->n_homes && !*found; i++) {
    bool is = false;
    VW_TRY(vw_word_is_of(w, t->homes[i].n, &is));
    if (is) *found = &t->homes[i];
  }
  VW_CHECK(*found, VW_ERR_INPUT,
           "%s: '%s' (width %" PRId64 "%s) was not learned for %s%s: give the model directory that learned it with "
           "--network, beside the others",
           w->path, w->from.name, w->from.width, vw_width_of(w->from.width), t->homes[0].n->dir,
           t->n_homes > 1 ? " or one of the others" : "");
  return VW_OK;
}

/* The anchor that the file or the command names; none is no failure where nobody named one. */
static vw_status find_anchor(const telling *t, row *r) {
  const char *name = t->anchor ? t->anchor : r->w->from.anchor;
  const vw_network *n = r->home->n;
  double *a = NULL, distance = 0;
  int64_t nearest = 0;
  r->anchor = -1, r->anchor_length = r->anchor_cosine = r->radius = NAN;
  if (!name) return VW_OK;
  VW_TRY(vw_tokenizer_word(n->text.tokenizer, name, &r->anchor));
  VW_TRY(vw_anchor_neighbour(&r->home->table.e, r->anchor, &nearest, &distance));
  r->radius = t->anchor || isnan(r->w->from.radius) ? r->w->from.delta * distance : r->w->from.radius;
  a = malloc((size_t)n->width * sizeof *a);
  VW_CHECK(a, VW_ERR_MEMORY, "words: out of memory");
  const vw_status st = vw_text_word_vector(&n->text, r->anchor, a);
  if (st == VW_OK) {
    r->anchor_length = sqrt(product(a, a, n->width));
    const double both = r->anchor_length * r->length;
    r->anchor_cosine = both > 0 ? product(a, r->x, n->width) / both : 0;
  }
  free(a);
  return st;
}

/* The rows of one network together: one pass over its table for all. Without an anchor the first neighbour stands in for
 * it, and its ranks are not told. */
static vw_status place_rows(const telling *t, const home *h) {
  const int64_t d = h->n->width, top = t->top;
  int64_t K = 0, *anchor = malloc((size_t)t->n * sizeof *anchor), *at = malloc((size_t)t->n * sizeof *at);
  double *x = malloc((size_t)(t->n * d) * sizeof *x);
  vw_word_place *place = malloc((size_t)t->n * sizeof *place);
  vw_near_word *lists = malloc((size_t)(2 * t->n * top) * sizeof *lists);
  vw_status st = anchor && at && x && place && lists ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "words: out of memory");
  for (int64_t i = 0; st == VW_OK && i < t->n; i++) {
    if (t->rows[i].home != h) continue;
    anchor[K] = t->rows[i].anchor >= 0 ? t->rows[i].anchor : h->table.neighbours[0], at[K] = i;
    memcpy(x + K++ * d, t->rows[i].x, (size_t)d * sizeof *x);
  }
  if (st == VW_OK && K) st = vw_place_words(&h->table.e, x, anchor, K, place);
  if (st == VW_OK && K) st = vw_near_words(&h->table.e, x, K, top, lists, lists + K * top);
  for (int64_t k = 0; st == VW_OK && k < K; k++) {
    row *r = &t->rows[at[k]];
    r->place = place[k];
    memcpy(r->near, lists + k * top, (size_t)top * sizeof *lists);
    memcpy(r->alike, lists + (K + k) * top, (size_t)top * sizeof *lists);
  }
  free(anchor), free(at), free(x), free(place), free(lists);
  return st;
}

static bool is_finite(const double *x, int64_t n) {
  for (int64_t i = 0; i < n; i++)
    if (!isfinite(x[i])) return false;
  return true;
}

static vw_status fill_rows(telling *t) {
  int64_t most = 0;
  for (int64_t i = 0; i < t->words.n; i++) most += t->words.word[i].from.vectors;
  t->rows = calloc((size_t)most + 1, sizeof *t->rows);
  t->lists = calloc((size_t)(2 * most * t->top) + 1, sizeof *t->lists);
  VW_CHECK(t->rows && t->lists, VW_ERR_MEMORY, "words: out of memory for %" PRId64 " vectors", most);
  for (int64_t i = 0; i < t->words.n; i++) {
    const vw_given_word *w = &t->words.word[i];
    const int64_t d = w->from.width;
    if (!is_finite(w->x, w->from.vectors * d)) {
      (void)vw_print(stderr, "%s: left out: its numbers are not finite, its trial failed\n", w->from.name);
      continue;
    }
    for (int64_t v = 0; v < w->from.vectors; v++) {
      row *r = &t->rows[t->n];
      *r = (row){.w = w, .vector = v, .x = w->x + v * d, .near = t->lists + 2 * t->n * t->top};
      r->alike = r->near + t->top, r->length = sqrt(product(r->x, r->x, d));
      VW_TRY(find_home(t, w, &r->home));
      VW_TRY(find_anchor(t, r));
      t->n++;
    }
  }
  VW_CHECK(t->n, VW_ERR_INPUT, "words: none is left: the trials of all failed");
  for (int64_t i = 0; i < t->n_homes; i++) VW_TRY(place_rows(t, &t->homes[i]));
  return VW_OK;
}

/* ---- output ------------------------------------------------------------------------------------------------------ */

static void label_of(const row *r, int64_t id, char text[LABEL]) {
  vw_tokenizer_label(r->home->n->text.tokenizer, (int32_t)id, text, LABEL);
}

static const char *anchor_of(const telling *t, const row *r) {
  return t->anchor ? t->anchor : r->w->from.anchor;
}

static double over_radius(const row *r) {
  return r->anchor >= 0 && isfinite(r->radius) && r->radius > 0 ? r->place.from_anchor / r->radius : NAN;
}

static void print_list(const telling *t, const row *r, const vw_near_word *list, const char *how) {
  char text[LABEL];
  (void)vw_print(stdout, "    %s:", how);
  for (int64_t i = 0; i < t->top && list[i].id >= 0; i++) {
    label_of(r, list[i].id, text);
    (void)vw_print(stdout, "%s %s (%.4f, %.4f)", i ? "," : "", text, list[i].distance, list[i].cosine);
  }
  (void)vw_print(stdout, "\n");
}

static void print_full(const telling *t, const row *r) {
  (void)vw_print(stdout, "%s", r->w->from.name);
  if (r->w->from.vectors > 1) (void)vw_print(stdout, ", vector %" PRId64, r->vector + 1);
  (void)vw_print(stdout, "\n    length %.4f\n", r->length);
  if (r->anchor >= 0) {
    (void)vw_print(stdout,
                   "    anchor '%s': distance %.4f, cosine %.4f, length %.4f; rank %" PRId64 " of %" PRId64
                   " words, %" PRId64 " of %" PRId64 " entries\n",
                   anchor_of(t, r), r->place.from_anchor, r->anchor_cosine, r->anchor_length, r->place.rank_words,
                   r->home->table.n_neighbours, r->place.rank_all, r->home->table.e.V);
    if (!isnan(over_radius(r))) (void)vw_print(stdout, "    distance / R %.4f, R %.4f\n", over_radius(r), r->radius);
  }
  print_list(t, r, r->near, "by distance (distance, cosine)");
  print_list(t, r, r->alike, "by cosine (distance, cosine)");
}

static void print_table(const telling *t) {
  char near[LABEL], alike[LABEL];
  (void)vw_print(stdout, "%8s %8s %6s %6s  %-18s %8s  %-18s %8s  %s\n", "length", "dist/R", "rank", "of all", "nearest",
                 "distance", "most alike", "cosine", "word");
  for (int64_t i = 0; i < t->n; i++) {
    const row *r = &t->rows[i];
    char ratio[16] = "-", rank[24] = "-", all[24] = "-";
    if (!isnan(over_radius(r))) (void)snprintf(ratio, sizeof ratio, "%.4f", over_radius(r));
    if (r->anchor >= 0) (void)snprintf(rank, sizeof rank, "%" PRId64, r->place.rank_words);
    if (r->anchor >= 0) (void)snprintf(all, sizeof all, "%" PRId64, r->place.rank_all);
    label_of(r, r->near[0].id, near), label_of(r, r->alike[0].id, alike);
    (void)vw_print(stdout, "%8.4f %8s %6s %6s  %-18s %8.4f  %-18s %8.4f  %s", r->length, ratio, rank, all, near,
                   r->near[0].distance, alike, r->alike[0].cosine, r->w->from.name);
    if (r->w->from.vectors > 1) (void)vw_print(stdout, ", vector %" PRId64, r->vector + 1);
    (void)vw_print(stdout, "\n");
  }
}

/* A field of CSV: quoted where it must be. */
static void put_field(const char *text, const char *end) {
  const bool quoted = text && strpbrk(text, ",\"\r\n");
  if (quoted) (void)vw_print(stdout, "\"");
  for (const char *p = text ? text : ""; *p; p++) {
    const char one[] = {*p, 0};
    (void)fputs(*p == '"' ? "\"\"" : one, stdout);
  }
  (void)vw_print(stdout, quoted ? "\"" : "");
  (void)fputs(end, stdout);
}

static void put_number(double x, const char *end) {
  if (isfinite(x)) (void)vw_print(stdout, "%.9g", x);
  if (isinf(x)) (void)vw_print(stdout, "inf");
  (void)fputs(end, stdout);
}

static void print_csv(const telling *t) {
  char text[LABEL];
  (void)vw_print(stdout, "word,model,concept,anchor,delta,replica,trial,vector,length,anchor_length,anchor_distance,"
                         "anchor_cosine,radius,distance_over_radius,rank_words,rank_all,nearest,nearest_distance,"
                         "most_alike,most_alike_cosine\n");
  for (int64_t i = 0; i < t->n; i++) {
    const row *r = &t->rows[i];
    const vw_file_word *f = &r->w->from;
    put_field(f->name, ","), put_field(f->model, ","), put_field(f->concept, ","), put_field(anchor_of(t, r), ",");
    put_number(f->delta, ","), put_number(f->replica >= 0 ? (double)f->replica : NAN, ","), put_field(f->id, ",");
    put_number((double)r->vector + 1, ","), put_number(r->length, ","), put_number(r->anchor_length, ",");
    put_number(r->anchor >= 0 ? r->place.from_anchor : NAN, ","), put_number(r->anchor_cosine, ",");
    put_number(r->radius, ","), put_number(over_radius(r), ",");
    put_number(r->anchor >= 0 ? (double)r->place.rank_words : NAN, ",");
    put_number(r->anchor >= 0 ? (double)r->place.rank_all : NAN, ",");
    label_of(r, r->near[0].id, text), put_field(text, ","), put_number(r->near[0].distance, ",");
    label_of(r, r->alike[0].id, text), put_field(text, ","), put_number(r->alike[0].cosine, "\n");
  }
}

static json_t *number(double x) {
  return isfinite(x) ? json_real(x) : isinf(x) ? json_string("inf") : json_null();
}

static json_t *text_or_null(const char *text) {
  return text ? vw_json_name(text) : json_null();
}

static json_t *list_json(const telling *t, const row *r, const vw_near_word *list) {
  char text[LABEL];
  json_t *all = json_array();
  for (int64_t i = 0; i < t->top && list[i].id >= 0; i++) {
    label_of(r, list[i].id, text);
    json_array_append_new(all,
                          json_pack("{s:o, s:I, s:f, s:f}", "word", vw_json_name(text), "token", (json_int_t)list[i].id,
                                    "distance", list[i].distance, "cosine", list[i].cosine));
  }
  return all;
}

static json_t *row_json(const telling *t, const row *r) {
  const vw_file_word *f = &r->w->from;
  const bool has_anchor = r->anchor >= 0;
  json_t *o =
      json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:s, s:s}", "word", vw_json_name(f->name), "model",
                text_or_null(f->model), "concept", text_or_null(f->concept), "anchor", text_or_null(anchor_of(t, r)),
                "delta", number(f->delta), "trial", text_or_null(f->id), "vector", (json_int_t)r->vector + 1, "vectors",
                (json_int_t)f->vectors, "kind", r->home->n->kind->name, "type", vw_dtype_name(f->type));
  json_object_set_new(o, "replica", f->replica >= 0 ? json_integer(f->replica) : json_null());
  json_object_set_new(o, "network", vw_json_name(r->home->n->dir));
  json_object_set_new(o, "length", number(r->length));
  json_object_set_new(o, "anchor_length", number(r->anchor_length));
  json_object_set_new(o, "anchor_distance", number(has_anchor ? r->place.from_anchor : NAN));
  json_object_set_new(o, "anchor_cosine", number(r->anchor_cosine));
  json_object_set_new(o, "radius", number(r->radius));
  json_object_set_new(o, "distance_over_radius", number(over_radius(r)));
  json_object_set_new(o, "rank_words", has_anchor ? json_integer(r->place.rank_words) : json_null());
  json_object_set_new(o, "rank_all", has_anchor ? json_integer(r->place.rank_all) : json_null());
  json_object_set_new(o, "by_distance", list_json(t, r, r->near));
  json_object_set_new(o, "by_cosine", list_json(t, r, r->alike));
  return o;
}

static vw_status print_json(const telling *t) {
  vw_json_watch();
  json_t *all = json_array();
  for (int64_t i = 0; i < t->n; i++) json_array_append_new(all, row_json(t, &t->rows[i]));
  const bool starved = vw_json_starved();
  if (!starved) (void)vw_json_print(all, JSON_INDENT(1) | JSON_REAL_PRECISION(9), stdout);
  json_decref(all);
  VW_CHECK(!starved, VW_ERR_MEMORY, "words: out of memory");
  (void)vw_print(stdout, "\n");
  return VW_OK;
}

static vw_status print_all(const telling *t) {
  if (t->json) return print_json(t);
  if (t->csv) {
    print_csv(t);
    return VW_OK;
  }
  for (int64_t i = 0; i < t->n_homes; i++)
    (void)vw_print(stdout, "%s (%s): width %" PRId64 ", %" PRId64 " words of %" PRId64 " entries\n", t->homes[i].n->dir,
                   t->homes[i].n->kind->name, t->homes[i].n->width, t->homes[i].table.n_neighbours,
                   t->homes[i].table.e.V);
  if (t->n > MOST_IN_FULL) print_table(t);
  for (int64_t i = 0; i < t->n && t->n <= MOST_IN_FULL; i++) print_full(t, &t->rows[i]);
  return VW_OK;
}

/* ---- the command ------------------------------------------------------------------------------------------------- */

static vw_status run(telling *t, const vw_option_list *networks, const char *const *positional, int n) {
  VW_CHECK(networks->n > 0, VW_ERR_ARG,
           "words: give --network DIR, the model directory that the words were learned for");
  VW_CHECK(!(t->json && t->csv), VW_ERR_ARG, "words: --json and --csv: choose one");
  VW_CHECK(t->top <= VW_NEAR_MOST, VW_ERR_ARG, "words: --top %" PRId64 ": at most %d", t->top, VW_NEAR_MOST);
  VW_TRY(vw_context_open(&t->ctx, VW_CPU, 1, 0));
  t->homes = calloc((size_t)networks->n, sizeof *t->homes);
  VW_CHECK(t->homes, VW_ERR_MEMORY, "words: out of memory");
  for (; t->n_homes < networks->n; t->n_homes++) {
    home *h = &t->homes[t->n_homes];
    VW_TRY(vw_network_open_any(networks->text[t->n_homes], &t->ctx, &h->n));
    const vw_status st = vw_word_table_open(&h->table, h->n, t->vocabulary);
    if (st != VW_OK) h->n->kind->close(h->n);
    VW_TRY(st);
  }
  for (int i = 0; i < n && positional[i]; i++) VW_TRY(vw_word_list_add_named(&t->words, positional[i], 0));
  VW_TRY(fill_rows(t));
  return print_all(t);
}

int vw_job_words(int argc, char **argv) {
  telling t = {.top = 5, .vocabulary = "default"};
  const char **room = calloc(2 * (size_t)argc + 4, sizeof *room), **positional = room + argc + 1;
  if (!room) return vw_report(VW_RAISE(VW_ERR_MEMORY, "words: out of memory"));
  vw_option_list networks = {.text = room};
  const vw_option options[] = {
      {"network", 0, VW_OPT_LIST, &networks, "DIR", "model directory that words were learned for; may be given again"},
      {"anchor", 0, VW_OPT_STRING, &t.anchor, "WORD", "that learning started from, where the file does not say"},
      {"vocabulary", 0, VW_OPT_STRING, &t.vocabulary, "HOW",
       "default, words, all or a file, as trials.vocabulary has it"},
      {"top", 0, VW_OPT_COUNT, &t.top, "N", "nearest words told of each; default 5"},
      {"json", 0, VW_OPT_FLAG, &t.json, NULL, "everything as JSON"},
      {"csv", 0, VW_OPT_FLAG, &t.csv, NULL, "a table, a line a vector"},
      {0}};
  static const char *const names[] = {"WORD"};
  const vw_command_line c = {"words",
                             "WORD... --network DIR [--csv]",
                             "Tells where learned words lie among the words of their network. WORD is an output "
                             "directory, a block or another file of words, or PATH:PART,... for some of them.",
                             options,
                             names,
                             1,
                             argc + 1};
  int code = 0;
  if (vw_begin(&c, argc, argv, positional, &code)) {
    code = vw_report(run(&t, &networks, positional, argc + 1));
    for (int64_t i = 0; i < t.n_homes; i++) {
      vw_word_table_close(&t.homes[i].table);
      t.homes[i].n->kind->close(t.homes[i].n);
    }
    vw_word_list_free(&t.words);
    if (t.ctx.threads) vw_context_close(&t.ctx);
    free(t.homes), free(t.rows), free(t.lists);
  }
  free((void *)room);
  return code;
}

#include "io/rank_file.h"

#include "core/hash.h"
#include "io/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

/* {"sum":"0123456789abcdef", and then what the sum is of, up to the line's end. */
enum { SUM_AT = 8, SUM_DIGITS = 16, BODY_AT = SUM_AT + SUM_DIGITS + 2 };
static const char head[] = "{\"sum\":\"";

double vw_wall_seconds(void) {
  struct timespec t;
  (void)clock_gettime(CLOCK_REALTIME, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

vw_status vw_rank_file_path(const char *dir, const char *part, char path[VW_PATH_BYTES]) {
  return vw_path_format(path, "%s/log/%s%sranks.jsonl", dir, part, part[0] ? "-" : "");
}

/* ---- a line ------------------------------------------------------------------------------------------------------ */

static void sum_of(const char line[VW_RANK_RECORD], char text[SUM_DIGITS + 1]) {
  const vw_hash h = vw_hash_bytes(line + BODY_AT, VW_RANK_RECORD - BODY_AT);
  (void)snprintf(text, SUM_DIGITS + 1, "%016llx", (unsigned long long)h.lo);
}

static void blank(char line[VW_RANK_RECORD]) {
  memset(line, ' ', VW_RANK_RECORD);
  line[VW_RANK_RECORD - 1] = '\n';
}

/* False: it does not fit, or there is no memory. Takes `object`. */
static bool put_line(char line[VW_RANK_RECORD], json_t *object) {
  char sum[SUM_DIGITS + 1];
  blank(line);
  char *text = object ? json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(13)) : NULL;
  const size_t bytes = text ? strlen(text) : 0;
  const bool fits = bytes > 2 && BODY_AT + bytes - 1 < VW_RANK_RECORD;
  if (fits) {
    memcpy(line, head, SUM_AT), memcpy(line + BODY_AT - 2, "\",", 2);
    memcpy(line + BODY_AT, text + 1, bytes - 1); /* without its first brace */
    sum_of(line, sum);
    memcpy(line + SUM_AT, sum, SUM_DIGITS);
  }
  free(text), json_decref(object);
  return fits;
}

/* NULL: empty, torn, damaged. */
static json_t *take_line(const char line[VW_RANK_RECORD]) {
  char sum[SUM_DIGITS + 1];
  if (memcmp(line, head, SUM_AT) != 0 || line[VW_RANK_RECORD - 1] != '\n') return NULL;
  sum_of(line, sum);
  if (memcmp(line + SUM_AT, sum, SUM_DIGITS) != 0) return NULL;
  json_t *object = json_loadb(line, VW_RANK_RECORD, JSON_REJECT_DUPLICATES, NULL);
  if (json_is_object(object)) return object;
  json_decref(object);
  return NULL;
}

/* Numbers that JSON lacks are null. */
static json_t *number(double x) {
  return isfinite(x) ? json_real(x) : json_null();
}

static json_t *run_object(const vw_run_record *r) {
  return json_pack("{s:s, s:s, s:s, s:o, s:I, s:I, s:I, s:I, s:I, s:o, s:b, s:o, s:o, s:o}", "state", r->state, "stage",
                   r->stage, "unit", r->unit, "host", vw_json_name(r->host), "ranks", (json_int_t)r->ranks, "pid",
                   (json_int_t)r->pid, "items", (json_int_t)r->items, "total", (json_int_t)r->total, "before",
                   (json_int_t)r->before, "cost", number(r->cost), "is_operations", r->is_operations, "started",
                   number(r->started), "stage_started", number(r->stage_started), "time", number(r->time));
}

static json_t *rank_object(const vw_rank_record *r, const char *host, const char *item) {
  return json_pack(
      "{s:I, s:o, s:I, s:s, s:s, s:o, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
      "rank", (json_int_t)r->rank, "host", vw_json_name(host), "pid", (json_int_t)r->pid, "state", r->state, "stage",
      r->stage, "item", vw_json_name(item), "step", (json_int_t)r->step, "steps", (json_int_t)r->steps, "units",
      (json_int_t)r->units, "done", (json_int_t)r->done, "items", (json_int_t)r->items, "unit_steps",
      number(r->unit_steps), "step_seconds", number(r->step_seconds), "cost", number(r->cost), "cost_done",
      number(r->cost_done), "cost_made", number(r->cost_made), "loss", number(r->loss), "started", number(r->started),
      "item_started", number(r->item_started), "ended", number(r->ended), "time", number(r->time));
}

/* Texts of other types are "", longer ones are cut: the line is for people. Never within a character, which JSON could
 * not say again. */
static void text_of(const json_t *object, const char *key, char *out, size_t size) {
  const char *text = json_string_value(json_object_get(object, key));
  (void)snprintf(out, size, "%s", text ? text : "");
  size_t n = strlen(out);
  while (text && n && ((unsigned char)text[n] & 0xc0) == 0x80) n--;
  out[n] = 0;
}

static int64_t count_of(const json_t *object, const char *key) {
  const json_int_t n = json_integer_value(json_object_get(object, key));
  return n > 0 ? (int64_t)n : 0;
}

static double number_of(const json_t *object, const char *key, double absent) {
  const json_t *value = json_object_get(object, key);
  return json_is_number(value) ? json_number_value(value) : absent;
}

static double amount_of(const json_t *object, const char *key) {
  const double x = number_of(object, key, 0);
  return x > 0 ? x : 0;
}

static void read_run(const json_t *o, vw_run_record *r) {
  *r = (vw_run_record){.ranks = count_of(o, "ranks"),
                       .pid = count_of(o, "pid"),
                       .items = count_of(o, "items"),
                       .total = count_of(o, "total"),
                       .before = count_of(o, "before"),
                       .cost = amount_of(o, "cost"),
                       .is_operations = json_is_true(json_object_get(o, "is_operations")),
                       .started = amount_of(o, "started"),
                       .stage_started = amount_of(o, "stage_started"),
                       .time = amount_of(o, "time")};
  text_of(o, "state", r->state, sizeof r->state), text_of(o, "stage", r->stage, sizeof r->stage);
  text_of(o, "unit", r->unit, sizeof r->unit), text_of(o, "host", r->host, sizeof r->host);
}

static void read_rank(const json_t *o, vw_rank_record *r) {
  *r = (vw_rank_record){.rank = r->rank,
                        .pid = count_of(o, "pid"),
                        .step = count_of(o, "step"),
                        .steps = count_of(o, "steps"),
                        .units = count_of(o, "units"),
                        .done = count_of(o, "done"),
                        .items = count_of(o, "items"),
                        .unit_steps = amount_of(o, "unit_steps"),
                        .step_seconds = amount_of(o, "step_seconds"),
                        .cost = amount_of(o, "cost"),
                        .cost_done = amount_of(o, "cost_done"),
                        .cost_made = amount_of(o, "cost_made"),
                        .loss = number_of(o, "loss", NAN),
                        .started = amount_of(o, "started"),
                        .item_started = amount_of(o, "item_started"),
                        .ended = amount_of(o, "ended"),
                        .time = amount_of(o, "time")};
  text_of(o, "state", r->state, sizeof r->state), text_of(o, "host", r->host, sizeof r->host);
  text_of(o, "stage", r->stage, sizeof r->stage), text_of(o, "item", r->item, sizeof r->item);
}

/* ---- the file ---------------------------------------------------------------------------------------------------- */

vw_status vw_rank_file_create(const char *path, const vw_run_record *run) {
  char *text = malloc((size_t)(run->ranks + 1) * VW_RANK_RECORD);
  VW_CHECK(text, VW_ERR_MEMORY, "%s: out of memory", path);
  for (int64_t i = 0; i <= run->ranks; i++) blank(text + i * VW_RANK_RECORD);
  vw_status st = put_line(text, run_object(run)) ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "%s: out of memory", path);
  if (st == VW_OK) st = vw_file_write(path, text, (run->ranks + 1) * VW_RANK_RECORD);
  free(text);
  return st;
}

vw_status vw_rank_file_put_run(const char *path, const vw_run_record *run) {
  char line[VW_RANK_RECORD];
  VW_CHECK(put_line(line, run_object(run)), VW_ERR_MEMORY, "%s: out of memory", path);
  return vw_file_patch(path, 0, line, sizeof line);
}

vw_status vw_rank_file_put(const char *path, const vw_rank_record *rank) {
  char line[VW_RANK_RECORD];
  if (!put_line(line, rank_object(rank, rank->host, rank->item))) /* names full of escapes do not fit */
    VW_CHECK(put_line(line, rank_object(rank, "?", "?")), VW_ERR_MEMORY, "%s: out of memory", path);
  return vw_file_patch(path, (rank->rank + 1) * VW_RANK_RECORD, line, sizeof line);
}

vw_status vw_rank_file_parse(const char *path, const char *text, int64_t bytes, vw_run_record *run,
                             vw_rank_record **ranks) {
  const int64_t lines = bytes / VW_RANK_RECORD;
  *ranks = NULL;
  VW_CHECK(lines >= 1 && bytes % VW_RANK_RECORD == 0 && lines - 1 <= VW_MOST_RANKS, VW_ERR_INPUT,
           "%s: %lld bytes are no records of ranks", path, (long long)bytes);
  json_t *first = take_line(text);
  VW_CHECK(first, VW_ERR_INPUT, "%s: its first line is damaged", path);
  read_run(first, run);
  json_decref(first);
  VW_CHECK(run->ranks == lines - 1, VW_ERR_INPUT, "%s: of %lld ranks, but it has lines for %lld", path,
           (long long)run->ranks, (long long)(lines - 1));
  vw_rank_record *all = calloc((size_t)lines, sizeof *all);
  VW_CHECK(all, VW_ERR_MEMORY, "%s: out of memory", path);
  for (int64_t i = 0; i < run->ranks; i++) {
    json_t *line = take_line(text + (i + 1) * VW_RANK_RECORD);
    all[i].rank = i;
    if (line) read_rank(line, &all[i]);
    json_decref(line);
  }
  *ranks = all;
  return VW_OK;
}

vw_status vw_rank_file_read(const char *path, vw_run_record *run, vw_rank_record **ranks) {
  char *text = NULL;
  int64_t bytes = 0;
  struct stat info;
  *ranks = NULL;
  VW_CHECK(stat(path, &info) != 0 || info.st_size <= (VW_MOST_RANKS + 1) * (int64_t)VW_RANK_RECORD, VW_ERR_INPUT,
           "%s: %lld bytes are no records of ranks", path, (long long)info.st_size);
  VW_TRY(vw_file_read(path, &text, &bytes));
  const vw_status st = vw_rank_file_parse(path, text, bytes, run, ranks);
  free(text);
  return st;
}

/* ---- all ranks together ------------------------------------------------------------------------------------------ */

static double share_done(const vw_rank_record *r) {
  if (r->steps <= 0) return 0;
  return r->step < r->steps ? (double)r->step / (double)r->steps : 1;
}

double vw_rank_item_left(const vw_rank_record *r) {
  if (r->steps <= 0 || r->step_seconds <= 0) return -1;
  return r->step < r->steps ? (double)(r->steps - r->step) * r->step_seconds : 0;
}

double vw_rank_cost_left(const vw_rank_record *r) {
  return r->cost * (1 - share_done(r));
}

/* Seconds of the stage that the rank spent on what it made: not on waiting for the others. */
static double seconds_of(const vw_rank_record *r) {
  return (strcmp(r->state, "working") != 0 && r->ended > 0 && !r->steps ? r->ended : r->time) - r->started;
}

double vw_rank_rate(const vw_rank_record *r) {
  const double seconds = seconds_of(r), made = r->unit_steps > 0 ? r->unit_steps : (double)r->done;
  return seconds > 0 ? made / seconds : 0;
}

bool vw_rank_counts(const vw_run_record *run, const vw_rank_record *r) {
  return r->state[0] && run->stage[0] && strcmp(run->stage, r->stage) == 0;
}

static void add_loss(vw_rank_totals *t, double loss) {
  if (!isfinite(loss)) return;
  if (!t->losses || loss < t->loss_least) t->loss_least = loss;
  if (!t->losses || loss > t->loss_most) t->loss_most = loss;
  t->losses++;
  t->loss_mean += (loss - t->loss_mean) / (double)t->losses;
}

static void add_rate(vw_rank_totals *t, const vw_rank_record *r, int64_t *n) {
  const double rate = vw_rank_rate(r);
  t->rate += rate;
  if (rate <= 0) return;
  if (!*n || rate < t->slow) t->slow = rate, t->slowest = r->rank;
  if (!*n || rate > t->fast) t->fast = rate;
  ++*n;
  t->middle += (rate - t->middle) / (double)*n;
}

void vw_rank_totals_of(const vw_run_record *run, const vw_rank_record *ranks, vw_rank_totals *out) {
  int64_t rated = 0;
  double done = 0, pace = 0, longest = 0;
  *out = (vw_rank_totals){.units = run->before, .slowest = -1};
  for (int64_t i = 0; i < run->ranks; i++) {
    const vw_rank_record *r = &ranks[i];
    if (!vw_rank_counts(run, r)) continue;
    const double seconds = seconds_of(r), own = vw_rank_item_left(r);
    out->heard++, out->items += r->items, out->units += r->done, out->unit_steps += r->unit_steps;
    done += r->cost_done + r->cost - vw_rank_cost_left(r);
    if (seconds > 0) pace += r->cost_made / seconds;
    if (own > longest) longest = own;
    if (!strcmp(r->state, "working") && (out->oldest <= 0 || r->time < out->oldest)) out->oldest = r->time;
    add_rate(out, r, &rated);
    add_loss(out, r->loss);
  }
  out->cost_left = run->cost > done ? run->cost - done : 0;
  out->left = out->cost_left <= 0 ? 0 : pace > 0 ? fmax(out->cost_left / pace, longest) : -1;
}

/* plan.yaml is YAML for people and tools, but in one fixed layout, a trial a line: it is read here line by line, which
 * takes milliseconds for thousands of trials and names the line that is wrong.
 *
 *   version: 1
 *   study: "demo"              texts are quoted as in JSON
 *   ...
 *   plan:
 *   - block: "<id>"
 *     model: "clip"
 *     data: "objects"
 *     weights: "<hash>"
 *     protocol: "<hash>"
 *     rows: 22
 *     slices: 2                only where a step is cut
 *     segments: 4              only where its forward pass is made again on the way back
 *     trials:                  id, hash of pictures, concept, concept or null, anchor, delta, replica
 *     - ["<id>", "<hash>", "teapot", concept, "strawberry", 0.1, 0] */
#include "study/plan_file.h"

#include "core/durable.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { VERSION = 1 };

vw_status vw_block_hash(const vw_trial *trials, int64_t n, vw_hash *id) {
  vw_hasher *h = vw_hasher_create();
  VW_CHECK(h, VW_ERR_MEMORY, "no memory for a block's identity");
  vw_hasher_field(h, "viswords-block-1");
  for (int64_t i = 0; i < n; i++) vw_hasher_add(h, &trials[i].id, sizeof trials[i].id);
  *id = vw_hasher_done(h);
  vw_hasher_destroy(h);
  return VW_OK;
}

/* --- writing ---------------------------------------------------------------------------------------------------- */

static void put_text(FILE *out, const char *text) {
  (void)fputc('"', out);
  for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
    if (*p == '"' || *p == '\\')
      (void)fprintf(out, "\\%c", *p);
    else if (*p < 0x20 || *p == 0x7f)
      (void)fprintf(out, "\\x%02x", *p);
    else
      (void)fputc(*p, out);
  }
  (void)fputc('"', out);
}

static void put_line(FILE *out, const char *key, const char *text) {
  (void)fprintf(out, "%s: ", key);
  put_text(out, text);
  (void)fputc('\n', out);
}

static void put_block(FILE *out, const vw_plan *plan, const vw_block *b) {
  char id[VW_HASH_TEXT], pictures[VW_HASH_TEXT], delta[VW_DELTA_TEXT];
  vw_hash_text(b->id, id);
  put_line(out, "- block", id);
  put_line(out, "  model", b->model);
  put_line(out, "  data", b->data);
  vw_hash_text(b->weights, id);
  put_line(out, "  weights", id);
  vw_hash_text(b->protocol, id);
  put_line(out, "  protocol", id);
  (void)fprintf(out, "  rows: %" PRId64 "\n", b->n);
  vw_hash_text(b->judging, id);
  if (vw_judging_is_own(b->judging)) put_line(out, "  judging", id);
  if (b->precision) put_line(out, "  precision", b->precision);
  if (b->slices > 1) (void)fprintf(out, "  slices: %" PRId64 "\n", b->slices);
  if (b->segments > 1) (void)fprintf(out, "  segments: %" PRId64 "\n", b->segments);
  (void)fprintf(out, "  trials:\n");
  for (const vw_trial *t = &plan->trials[b->first]; t < &plan->trials[b->first + b->n]; t++) {
    vw_hash_text(t->id, id);
    vw_hash_text(t->data_hash, pictures);
    vw_delta_text(t->delta, delta);
    (void)fprintf(out, "  - [\"%s\", \"%s\", ", id, pictures);
    put_text(out, t->concept);
    (void)fprintf(out, ", %s, ", t->null_concept ? "null" : "concept");
    put_text(out, t->anchor);
    (void)fprintf(out, ", %s, %" PRId64 "]\n", delta, t->replica);
  }
}

/* The number of lines, then each; nothing where nothing was chosen. */
static void put_algorithms(FILE *out, const char *text) {
  int64_t n = 0;
  for (const char *p = text; p && *p; p++) n += *p == '\n';
  if (n) (void)fprintf(out, "algorithms: %" PRId64 "\n", n);
  for (const char *p = text; n > 0; n--) {
    const char *end = strchr(p, '\n');
    (void)fprintf(out, "- \"%.*s\"\n", (int)(end - p), p);
    p = end + 1;
  }
}

vw_status vw_plan_text(const vw_plan *plan, char **text, int64_t *bytes) {
  size_t size = 0;
  *text = NULL;
  FILE *out = open_memstream(text, &size);
  VW_CHECK(out, VW_ERR_MEMORY, "no memory for the plan's text");
  (void)fprintf(out, "# Written by viswords; it only grows. Change the study file, not this one.\n");
  (void)fprintf(out, "version: %d\n", VERSION);
  put_line(out, "study", plan->study);
  (void)fprintf(out, "seed: %" PRId64 "\n", plan->seed);
  put_line(out, "backend", plan->with.backend);
  put_line(out, "precision", plan->with.precision);
  put_line(out, "kernels", plan->with.kernels);
  (void)fprintf(out, "other_kernels: [");
  for (int64_t i = 0; i < plan->other_kernels.n; i++) {
    if (i) (void)fprintf(out, ", ");
    put_text(out, plan->other_kernels.name[i]);
  }
  (void)fprintf(out, "]\n");
  put_algorithms(out, plan->algorithms);
  (void)fprintf(out, "blocks: %" PRId64 "\n", plan->n_blocks);
  (void)fprintf(out, "trials: %" PRId64 "\n", plan->n_trials);
  (void)fprintf(out, "# A trial: id, hash of its pictures, concept, its kind, anchor, delta, replica\nplan:\n");
  for (int64_t b = 0; b < plan->n_blocks; b++) put_block(out, plan, &plan->blocks[b]);
  const bool failed = ferror(out) != 0;
  if (fclose(out) != 0 || failed) {
    free(*text);
    *text = NULL;
    return VW_RAISE(VW_ERR_MEMORY, "no memory for the plan's text");
  }
  *bytes = (int64_t)size;
  return VW_OK;
}

/* --- reading ---------------------------------------------------------------------------------------------------- */

typedef struct cursor {
  const char *path;
  char *next; /* the line after this one */
  char *p;    /* within this line */
  int64_t line;
  vw_pool *pool;
} cursor;

#define AT(c, ...) ((void)wrong((c), __LINE__, __VA_ARGS__), VW_ERR_INPUT)
static vw_status __attribute__((format(printf, 3, 4), cold)) wrong(const cursor *c, int line, const char *fmt, ...) {
  char what[256];
  va_list args;
  va_start(args, fmt);
  (void)vsnprintf(what, sizeof what, fmt, args);
  va_end(args);
  return vw_raise(VW_ERR_INPUT, __FILE__, line,
                  "%s:%" PRId64
                  ": %s; the plan is damaged: bring back a copy of it; a study that was never edited makes the "
                  "same plan again on the same kind of machine: delete it there; or use a new output directory",
                  c->path, c->line, what);
}

/* Goes to the next line that is no comment; false at the end of the file. Lines are ended in place. */
static bool advance(cursor *c) {
  do {
    if (!*c->next) return false;
    c->p = c->next;
    char *end = strchr(c->p, '\n');
    c->next = end ? end + 1 : c->p + strlen(c->p);
    if (end) *end = 0;
    c->line++;
  } while (*c->p == '#');
  return true;
}

static bool skip(cursor *c, const char *text) {
  const size_t n = strlen(text);
  if (strncmp(c->p, text, n) != 0) return false;
  c->p += n;
  return true;
}

static int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A quoted text, unescaped in place and kept. */
static vw_status get_text(cursor *c, const char **text) {
  if (*c->p != '"') return AT(c, "expected a text in double quotes");
  char *from = c->p + 1, *to = from;
  const char *start = from;
  while (*from && *from != '"') {
    if (*from != '\\') {
      *to++ = *from++;
    } else if (from[1] == '"' || from[1] == '\\') {
      *to++ = from[1], from += 2;
    } else if (from[1] == 'x' && hex_digit(from[2]) >= 0 && hex_digit(from[3]) >= 0) {
      *to++ = (char)(16 * hex_digit(from[2]) + hex_digit(from[3])), from += 4;
    } else {
      return AT(c, "unknown escape in a text");
    }
  }
  if (*from != '"') return AT(c, "a text without an end");
  c->p = from + 1;
  *text = vw_pool_text(c->pool, start, to - start);
  VW_CHECK(*text, VW_ERR_MEMORY, "%s: out of memory", c->path);
  return VW_OK;
}

static vw_status get_hash(cursor *c, vw_hash *hash) {
  uint64_t word[2] = {0};
  if (!skip(c, "\"")) return AT(c, "expected a hash in double quotes");
  for (int i = 0; i < 32; i++) {
    const int digit = hex_digit(*c->p);
    if (digit < 0) return AT(c, "expected 32 hexadecimal digits");
    word[i / 16] = word[i / 16] << 4 | (uint64_t)digit;
    c->p++;
  }
  if (!skip(c, "\"")) return AT(c, "expected 32 hexadecimal digits");
  *hash = (vw_hash){.lo = word[1], .hi = word[0]};
  return VW_OK;
}

static vw_status get_int(cursor *c, int64_t *v) {
  char *end = NULL;
  errno = 0;
  *v = strtoll(c->p, &end, 10);
  if (end == c->p || errno || *v < 0) return AT(c, "expected a count");
  c->p = end;
  return VW_OK;
}

static vw_status get_delta(cursor *c, double *v) {
  char *end = NULL;
  *v = INFINITY;
  if (skip(c, "free")) return VW_OK;
  *v = strtod(c->p, &end);
  if (end == c->p || !(*v > 0) || isinf(*v)) return AT(c, "expected delta, a number above 0 or free");
  c->p = end;
  return VW_OK;
}

/* The next line must be `key`, then a value for the caller to read. */
static vw_status get_key(cursor *c, const char *key) {
  if (!advance(c)) return AT(c, "the file ends where %s should stand", key + strspn(key, " -"));
  return skip(c, key) ? VW_OK : AT(c, "expected %s", key + strspn(key, " -"));
}

static vw_status line_end(const cursor *c) {
  return *c->p ? AT(c, "more on the line than expected") : VW_OK;
}

static vw_status text_line(cursor *c, const char *key, const char **text) {
  VW_TRY(get_key(c, key));
  VW_TRY(get_text(c, text));
  return line_end(c);
}

static vw_status int_line(cursor *c, const char *key, int64_t *v) {
  VW_TRY(get_key(c, key));
  VW_TRY(get_int(c, v));
  return line_end(c);
}

static vw_status hash_line(cursor *c, const char *key, vw_hash *hash) {
  VW_TRY(get_key(c, key));
  VW_TRY(get_hash(c, hash));
  return line_end(c);
}

static vw_status other_kernels_line(cursor *c, vw_names *names) {
  enum { MOST = 64 };
  VW_TRY(get_key(c, "other_kernels: ["));
  names->n = 0;
  names->name = vw_pool_take(c->pool, MOST * sizeof *names->name);
  VW_CHECK(names->name, VW_ERR_MEMORY, "%s: out of memory", c->path);
  while (!skip(c, "]")) {
    if (names->n && !skip(c, ", ")) return AT(c, "expected a comma in a list");
    if (names->n == MOST) return AT(c, "more than %d other kernels", MOST);
    VW_TRY(get_text(c, &names->name[names->n++]));
  }
  return line_end(c);
}

/* `n` lines into one text, each with its end. */
static vw_status get_algorithms(cursor *c, int64_t n, int64_t bytes, const char **text) {
  if (n < 1 || n > bytes / 4) return AT(c, "a number of algorithms that the file cannot hold");
  char *all = vw_pool_take(c->pool, (size_t)bytes + 1), *to = all;
  VW_CHECK(all, VW_ERR_MEMORY, "%s: out of memory", c->path);
  for (int64_t i = 0; i < n; i++) {
    const char *line = NULL;
    if (!advance(c) || !skip(c, "- ")) return AT(c, "expected an algorithm");
    VW_TRY(get_text(c, &line));
    VW_TRY(line_end(c));
    const size_t length = strlen(line);
    memcpy(to, line, length), to[length] = '\n', to += length + 1; /* no longer than in the file */
  }
  *to = 0, *text = all;
  return VW_OK;
}

/* `blocks:`, in front of it the algorithms where the plan has any. */
static vw_status blocks_line(cursor *c, vw_plan *plan, int64_t bytes) {
  if (!advance(c)) return AT(c, "the file ends where blocks: should stand");
  if (skip(c, "algorithms: ")) {
    int64_t n = 0;
    VW_TRY(get_int(c, &n));
    VW_TRY(line_end(c));
    VW_TRY(get_algorithms(c, n, bytes, &plan->algorithms));
    return int_line(c, "blocks: ", &plan->n_blocks);
  }
  if (!skip(c, "blocks: ")) return AT(c, "expected blocks: ");
  VW_TRY(get_int(c, &plan->n_blocks));
  return line_end(c);
}

/* One trial; its id must be the hash of the rest. */
static vw_status read_trial(cursor *c, const vw_block *b, vw_trial *t) {
  vw_hash id;
  *t = (vw_trial){.model = b->model, .data = b->data, .row = -1};
  if (!advance(c) || !skip(c, "  - [")) return AT(c, "expected a trial");
  VW_TRY(get_hash(c, &t->id));
  if (!skip(c, ", ")) return AT(c, "expected a comma in a trial");
  VW_TRY(get_hash(c, &t->data_hash));
  if (!skip(c, ", ")) return AT(c, "expected a comma in a trial");
  VW_TRY(get_text(c, &t->concept));
  t->null_concept = skip(c, ", null, ");
  if (!t->null_concept && !skip(c, ", concept, ")) return AT(c, "expected concept or null in a trial");
  VW_TRY(get_text(c, &t->anchor));
  if (!skip(c, ", ")) return AT(c, "expected a comma in a trial");
  VW_TRY(get_delta(c, &t->delta));
  if (!skip(c, ", ")) return AT(c, "expected a comma in a trial");
  VW_TRY(get_int(c, &t->replica));
  if (!skip(c, "]")) return AT(c, "expected the end of a trial");
  t->model_index = t->data_index = t->concept_index = t->anchor_index = -1;
  VW_TRY(vw_trial_hash(t, b->weights, b->protocol, &id));
  if (id.lo != t->id.lo || id.hi != t->id.hi) return AT(c, "the trial's id does not match its contents");
  return line_end(c);
}

/* `trials:`, in front of it what a block may have: keys of judging, a precision of its own, slices and segments of its
 * steps. */
static vw_status trials_line(cursor *c, vw_block *b) {
  b->slices = b->segments = 1;
  if (!advance(c)) return AT(c, "the file ends where trials: should stand");
  if (skip(c, "  judging: ")) {
    VW_TRY(get_hash(c, &b->judging));
    VW_TRY(line_end(c));
    if (!advance(c)) return AT(c, "the file ends where trials: should stand");
  }
  if (skip(c, "  precision: ")) {
    VW_TRY(get_text(c, &b->precision));
    VW_TRY(line_end(c));
    if (!advance(c)) return AT(c, "the file ends where trials: should stand");
  }
  if (skip(c, "  slices: ")) {
    VW_TRY(get_int(c, &b->slices));
    VW_TRY(line_end(c));
    if (b->slices < 2 || b->slices > 1024) return AT(c, "expected 2 to 1024 slices");
    if (!advance(c)) return AT(c, "the file ends where trials: should stand");
  }
  if (skip(c, "  segments: ")) {
    VW_TRY(get_int(c, &b->segments));
    VW_TRY(line_end(c));
    if (b->segments < 2 || b->segments > VW_PLAN_SEGMENTS) return AT(c, "expected 2 to %d segments", VW_PLAN_SEGMENTS);
    if (!advance(c)) return AT(c, "the file ends where trials: should stand");
  }
  return skip(c, "  trials:") ? VW_OK : AT(c, "expected trials:");
}

static vw_status read_block(cursor *c, vw_plan *plan, vw_block *b, int64_t *n_trials) {
  vw_hash id;
  b->first = *n_trials;
  b->model_index = b->data_index = -1;
  VW_TRY(hash_line(c, "- block: ", &b->id));
  const int64_t line = c->line;
  VW_TRY(text_line(c, "  model: ", &b->model));
  VW_TRY(text_line(c, "  data: ", &b->data));
  VW_TRY(hash_line(c, "  weights: ", &b->weights));
  VW_TRY(hash_line(c, "  protocol: ", &b->protocol));
  VW_TRY(int_line(c, "  rows: ", &b->n));
  if (b->n < 1 || b->n > plan->n_trials - *n_trials) return AT(c, "a block of more rows than the plan has left");
  VW_TRY(trials_line(c, b));
  for (int64_t i = 0; i < b->n; i++) VW_TRY(read_trial(c, b, &plan->trials[b->first + i]));
  *n_trials += b->n;
  VW_TRY(vw_block_hash(&plan->trials[b->first], b->n, &id));
  if (id.lo == b->id.lo && id.hi == b->id.hi) return VW_OK;
  c->line = line;
  return AT(c, "the block's id does not match its trials");
}

static vw_status read_head(cursor *c, vw_plan *plan, int64_t bytes) {
  int64_t version = 0;
  VW_TRY(int_line(c, "version: ", &version));
  VW_CHECK(version == VERSION, VW_ERR_UNSUPPORTED,
           "%s: a plan of version %" PRId64 "; this viswords writes version %d: use the one that made it", c->path,
           version, VERSION);
  VW_TRY(text_line(c, "study: ", &plan->study));
  VW_TRY(int_line(c, "seed: ", &plan->seed));
  VW_TRY(text_line(c, "backend: ", &plan->with.backend));
  VW_TRY(text_line(c, "precision: ", &plan->with.precision));
  VW_TRY(text_line(c, "kernels: ", &plan->with.kernels));
  VW_TRY(other_kernels_line(c, &plan->other_kernels));
  VW_TRY(blocks_line(c, plan, bytes));
  VW_TRY(int_line(c, "trials: ", &plan->n_trials));
  return get_key(c, "plan:");
}

static vw_status read_plan(cursor *c, vw_plan *plan, int64_t bytes) {
  int64_t n = 0;
  VW_TRY(read_head(c, plan, bytes));
  /* A trial's line has more than 64 bytes of hashes: larger counts are damage, not a reason to allocate. */
  const int64_t trials = plan->n_trials, blocks = plan->n_blocks;
  plan->n_trials = plan->n_blocks = 0;
  if (trials > bytes / 64 || blocks > trials) return AT(c, "more trials than the file can hold");
  plan->trials = calloc((size_t)trials + 1, sizeof *plan->trials);
  plan->blocks = calloc((size_t)blocks + 1, sizeof *plan->blocks);
  VW_CHECK(plan->trials && plan->blocks, VW_ERR_MEMORY, "%s: out of memory", c->path);
  plan->n_trials = trials, plan->n_blocks = blocks;
  for (int64_t b = 0; b < blocks; b++) VW_TRY(read_block(c, plan, &plan->blocks[b], &n));
  if (n != trials) return AT(c, "%" PRId64 " trials, but the head says %" PRId64, n, trials);
  return advance(c) ? AT(c, "more blocks than the head says") : VW_OK;
}

vw_status vw_plan_load(const char *path, vw_plan **plan) {
  char *text = NULL;
  int64_t bytes = 0;
  *plan = NULL;
  VW_TRY(vw_file_read(path, &text, &bytes));
  vw_status st = VW_OK;
  VW_GOTO(vw_plan_create(plan));
  cursor c = {.path = path, .next = text, .p = text, .pool = &(*plan)->pool};
  VW_GOTO(read_plan(&c, *plan, bytes));
cleanup:
  free(text);
  if (st != VW_OK) {
    vw_plan_destroy(*plan);
    *plan = NULL;
  }
  return st;
}

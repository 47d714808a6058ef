#include "io/tokenizer/tokenizer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "io/tokenizer/tokenizer_internal.h"

/* Where ids go: counts on when the caller's buffer is full. */
typedef struct sink {
  int32_t *ids;
  int64_t capacity, n;
} sink;

static void put(sink *to, int32_t id) {
  if (to->n < to->capacity) to->ids[to->n] = id;
  to->n++;
}

/* ---- the pattern ---- */

static vw_text_kind next(const char *at, int64_t *bytes) {
  utf8proc_int32_t c = 0;
  *bytes = utf8proc_iterate((const utf8proc_uint8_t *)at, -1, &c);
  return vw_text_kind_of(c);
}

/* The first match of 's|'t|'re|'ve|'m|'ll|'d|letters+|number|others+ in NUL-terminated text, white space before it
 * skipped: *begin and its bytes, 0 at the end. */
static int64_t next_piece(const char *text, const char **begin) {
  static const char *const contractions[] = {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"};
  int64_t step = 0, length = 0;
  vw_text_kind first = VW_SPACE;
  for (; *text && (first = next(text, &step)) == VW_SPACE; text += step) {}
  *begin = text;
  if (!*text) return 0;
  for (size_t i = 0; i < sizeof contractions / sizeof *contractions; i++)
    if (strncmp(text, contractions[i], strlen(contractions[i])) == 0) return (int64_t)strlen(contractions[i]);
  for (length = step; first != VW_NUMBER && text[length] && next(text + length, &step) == first; length += step) {}
  return length;
}

/* ---- byte-pair encoding ---- */

static int32_t rank_of(const vw_tokenizer *t, const int32_t *symbol, int64_t i) {
  const vw_merge *m = vw_tokenizer_merge(t, symbol[i], symbol[i + 1]);
  return m ? m->rank : INT32_MAX;
}

/* The symbols of a piece before any merge. */
static vw_status split_bytes(const vw_tokenizer *t, const char *piece, int64_t n, int32_t *symbol) {
  for (int64_t i = 0; i < n; i++) {
    const unsigned char b = (unsigned char)piece[i];
    symbol[i] = i + 1 < n ? t->byte_token[b] : t->byte_last[b];
    if (symbol[i] < 0) symbol[i] = t->unknown;
    VW_CHECK(symbol[i] >= 0, VW_ERR_INPUT,
             "'%.*s': the vocabulary has no token for byte %02X of it, and none for what is unknown", (int)n, piece, b);
  }
  return VW_OK;
}

/* Merges the pair of the lowest rank, the leftmost of equals, until no pair is in the list: returns how many of the n
 * symbols are left. rank has room for n; rank[i] belongs to the pair (i, i + 1). Quadratic: for pieces of a word's
 * length the quickest. */
static int64_t merge_short(const vw_tokenizer *t, int32_t *symbol, int32_t *rank, int64_t n) {
  for (int64_t i = 0; i + 1 < n; i++) rank[i] = rank_of(t, symbol, i);
  while (n > 1) {
    int64_t best = 0;
    for (int64_t i = 1; i + 1 < n; i++)
      if (rank[i] < rank[best]) best = i;
    if (rank[best] == INT32_MAX) break;
    symbol[best] = vw_tokenizer_merge(t, symbol[best], symbol[best + 1])->result;
    memmove(symbol + best + 1, symbol + best + 2, (size_t)(n - best - 2) * sizeof *symbol);
    memmove(rank + best, rank + best + 1, (size_t)(n - best - 2) * sizeof *rank);
    n--;
    if (best > 0) rank[best - 1] = rank_of(t, symbol, best - 1);
    if (best + 1 < n) rank[best] = rank_of(t, symbol, best);
  }
  return n;
}

/* ---- long pieces: the same merges from a heap of pairs ---- */

/* A pair that stood at `at` when it was put in; it counts as long as both of its symbols still do. */
typedef struct pair {
  int32_t rank, at, left, right;
} pair;

typedef struct merging {
  const vw_tokenizer *t;
  int32_t *symbol;        /* [n]; -1: merged into the one before */
  int32_t *next, *before; /* [n] neighbours; n and -1 at the ends */
  pair *heap;             /* the first is the lowest by (rank, at) */
  int64_t n, pairs;
} merging;

static bool is_before(const pair *a, const pair *b) {
  return a->rank != b->rank ? a->rank < b->rank : a->at < b->at;
}

static void heap_put(merging *m, pair p) {
  int64_t i = m->pairs++;
  for (; i > 0 && is_before(&p, &m->heap[(i - 1) / 2]); i = (i - 1) / 2) m->heap[i] = m->heap[(i - 1) / 2];
  m->heap[i] = p;
}

static pair heap_take(merging *m) {
  const pair top = m->heap[0], last = m->heap[--m->pairs];
  int64_t i = 0;
  for (int64_t child; (child = 2 * i + 1) < m->pairs; i = child) {
    if (child + 1 < m->pairs && is_before(&m->heap[child + 1], &m->heap[child])) child++;
    if (!is_before(&m->heap[child], &last)) break;
    m->heap[i] = m->heap[child];
  }
  m->heap[i] = last;
  return top;
}

static void put_pair(merging *m, int64_t at) {
  if (at < 0 || m->next[at] >= m->n) return;
  const int32_t left = m->symbol[at], right = m->symbol[m->next[at]];
  const vw_merge *found = vw_tokenizer_merge(m->t, left, right);
  if (found) heap_put(m, (pair){found->rank, (int32_t)at, left, right});
}

static void merge_at(merging *m, const pair *p) {
  const int64_t at = p->at, gone = m->next[at];
  m->symbol[at] = vw_tokenizer_merge(m->t, p->left, p->right)->result, m->symbol[gone] = -1;
  m->next[at] = m->next[gone];
  if (m->next[at] < m->n) m->before[m->next[at]] = (int32_t)at;
  put_pair(m, m->before[at]), put_pair(m, at);
}

/* The same result as merge_short in n log n steps. Every merge takes a symbol away and puts in two pairs at most: 3 n
 * pairs in all. */
static vw_status merge_long(const vw_tokenizer *t, int32_t *symbol, int64_t *n) {
  merging m = {.t = t, .symbol = symbol, .n = *n};
  m.next = malloc(2 * (size_t)*n * sizeof *m.next), m.before = m.next + *n;
  m.heap = malloc(3 * (size_t)*n * sizeof *m.heap);
  if (!m.next || !m.heap) {
    free(m.next), free(m.heap);
    return VW_RAISE(VW_ERR_MEMORY, "out of memory for a word of %" PRId64 " bytes", *n);
  }
  for (int64_t i = 0; i < *n; i++) m.next[i] = (int32_t)i + 1, m.before[i] = (int32_t)i - 1;
  for (int64_t i = 0; i + 1 < *n; i++) put_pair(&m, i);
  while (m.pairs) {
    const pair p = heap_take(&m);
    const bool stands = symbol[p.at] == p.left && m.next[p.at] < m.n && symbol[m.next[p.at]] == p.right;
    if (stands) merge_at(&m, &p);
  }
  int64_t left = 0;
  for (int64_t i = 0; i < *n; i++)
    if (symbol[i] >= 0) symbol[left++] = symbol[i];
  *n = left;
  free(m.next), free(m.heap);
  return VW_OK;
}

enum { SHORT_PIECE = 64 };

/* symbol and rank have room for `bytes`. */
static vw_status encode_piece(const vw_tokenizer *t, const char *piece, int64_t bytes, int32_t *symbol, int32_t *rank,
                              sink *to) {
  int64_t n = bytes;
  VW_TRY(split_bytes(t, piece, n, symbol));
  if (n <= SHORT_PIECE)
    n = merge_short(t, symbol, rank, n);
  else
    VW_TRY(merge_long(t, symbol, &n));
  for (int64_t i = 0; i < n; i++) put(to, symbol[i]);
  return VW_OK;
}

/* The pattern names CLIP's own two special tokens first: where they are left as text, nothing behind joins them. */
static const char *end_of_literal(const char *piece) {
  static const char *const literals[] = {"<|startoftext|>", "<|endoftext|>"};
  for (int i = 0; i < 2; i++)
    if (strncmp(piece, literals[i], strlen(literals[i])) == 0) return piece + strlen(literals[i]);
  return NULL;
}

static vw_status encode_words(const vw_tokenizer *t, const char *text, sink *to) {
  const size_t room = strlen(text) + 1;
  const char *piece = text, *literal = NULL;
  int64_t bytes;
  vw_status st = VW_OK;
  int32_t *symbol = malloc(2 * room * sizeof *symbol);
  VW_CHECK(symbol, VW_ERR_MEMORY, "out of memory for a text of %zu bytes", room);
  while ((bytes = next_piece(piece, &piece)) > 0) {
    if (!literal || piece >= literal) literal = end_of_literal(piece);
    if (literal && bytes > literal - piece) bytes = literal - piece;
    st = encode_piece(t, piece, bytes, symbol, symbol + room, to);
    if (st != VW_OK) break;
    piece += bytes;
  }
  free(symbol);
  return st;
}

/* ---- special tokens ---- */

static utf8proc_int32_t before(const char *text, const char *at) {
  utf8proc_int32_t c = ' ';
  const char *begin = at;
  while (begin > text && ((unsigned char)*--begin & 0xC0) == 0x80) {}
  if (at > text) (void)utf8proc_iterate((const utf8proc_uint8_t *)begin, at - begin, &c);
  return c;
}

static utf8proc_int32_t after(const char *at) {
  utf8proc_int32_t c = ' ';
  if (*at) (void)utf8proc_iterate((const utf8proc_uint8_t *)at, -1, &c);
  return c;
}

/* Where the white space before `at` begins, and where that from `at` on ends. */
static const char *strip_left(const char *text, const char *at) {
  while (at > text && vw_text_kind_of(before(text, at)) == VW_SPACE)
    while (((unsigned char)*--at & 0xC0) == 0x80) {}
  return at;
}

static const char *strip_right(const char *at) {
  int64_t step;
  while (*at && next(at, &step) == VW_SPACE) at += step;
  return at;
}

/* Looks for the added tokens of one kind in a text, from the left. */
typedef struct search {
  const vw_tokenizer *t;
  const char *text;
  bool normalised;
  const char *found[VW_MAX_SPECIAL]; /* the next place of each token; NULL: none */
} search;

static void search_start(search *s, const vw_tokenizer *t, const char *text, bool normalised) {
  s->t = t, s->text = text, s->normalised = normalised;
  for (int i = 0; i < t->n_special; i++)
    s->found[i] = t->special[i].normalised == normalised ? strstr(text, t->special[i].pattern) : NULL;
}

/* The leftmost token from `from` on, the longest of those that begin there; NULL: none. */
static const vw_special *search_next(search *s, const char *from, const char **at) {
  const vw_special *best = NULL;
  for (int i = 0; i < s->t->n_special; i++) {
    const vw_special *c = &s->t->special[i];
    if (s->found[i] && s->found[i] < from) s->found[i] = strstr(from, c->pattern);
    if (!s->found[i]) continue;
    if (!best || s->found[i] < *at || (s->found[i] == *at && strlen(c->pattern) > strlen(best->pattern)))
      best = c, *at = s->found[i];
  }
  return best;
}

static vw_status encode_text(const vw_tokenizer *t, char *text, bool normalised, sink *to);

/* What lies between added tokens: to the normal form and its tokens, then to words. */
static vw_status encode_rest(const vw_tokenizer *t, char *begin, const char *end, bool normalised, sink *to) {
  char *lower, *stop = begin + (end - begin);
  const char kept = *end;
  vw_status st;
  if (end <= begin) return VW_OK;
  *stop = 0;
  if (normalised) {
    st = encode_words(t, begin, to);
  } else {
    st = vw_text_normalise(begin, &lower);
    if (st == VW_OK) {
      st = encode_text(t, lower, true, to);
      free(lower);
    }
  }
  *stop = kept;
  return st;
}

/* Cuts added tokens out of `text` (cut into strings and put together again) and encodes what lies between them: first
 * those of the text as written, then, in the normal form of each part, the others. A token that does not stand alone
 * though it must is passed over, with its text: no shorter one is looked for in it. */
static vw_status encode_text(const vw_tokenizer *t, char *text, bool normalised, sink *to) {
  search s;
  const char *at = text, *from = text, *done = text; /* done: encoded up to here */
  const vw_special *token;
  search_start(&s, t, text, normalised);
  while ((token = search_next(&s, from, &at)) != NULL) {
    const char *begin = at, *end = at + strlen(token->pattern);
    from = end;
    if (token->whole_word && (vw_text_in_word(before(text, begin)) || vw_text_in_word(after(end)))) continue;
    if (token->strip_left) begin = strip_left(text, begin);
    if (token->strip_right) end = strip_right(end);
    VW_TRY(encode_rest(t, text + (done - text), begin, normalised, to));
    put(to, token->id);
    done = end;
  }
  return encode_rest(t, text + (done - text), done + strlen(done), normalised, to);
}

static vw_status encode(const vw_tokenizer *t, const char *text, bool ends, sink *to) {
  VW_CHECK(strlen(text) <= VW_TOKENIZER_TEXT, VW_ERR_INPUT, "text '%.40s...' is longer than %d bytes", text,
           VW_TOKENIZER_TEXT);
  char *copy = strdup(text);
  VW_CHECK(copy, VW_ERR_MEMORY, "out of memory for a text");
  if (ends) put(to, t->start);
  const vw_status st = encode_text(t, copy, false, to);
  if (ends) put(to, t->end);
  free(copy);
  return st;
}

static vw_status encode_checked(const vw_tokenizer *t, const char *text, bool ends, int32_t *ids, int64_t capacity,
                                int64_t *n) {
  sink to = {.ids = ids, .capacity = capacity};
  *n = 0;
  VW_TRY(encode(t, text, ends, &to));
  *n = to.n;
  VW_CHECK(to.n <= capacity, VW_ERR_INPUT, "text '%.60s' is %" PRId64 " tokens, there is room for %" PRId64, text, to.n,
           capacity);
  return VW_OK;
}

vw_status vw_tokenizer_encode(const vw_tokenizer *t, const char *text, int32_t *ids, int64_t capacity, int64_t *n) {
  return encode_checked(t, text, true, ids, capacity, n);
}

vw_status vw_tokenizer_encode_part(const vw_tokenizer *t, const char *text, int32_t *ids, int64_t capacity,
                                   int64_t *n) {
  return encode_checked(t, text, false, ids, capacity, n);
}

vw_status vw_tokenizer_word(const vw_tokenizer *t, const char *word, int32_t *id) {
  enum { SHOWN = 12 };
  int32_t ids[SHOWN];
  char list[512] = "";
  size_t used = 0;
  sink to = {.ids = ids, .capacity = SHOWN};
  VW_TRY(encode(t, word, false, &to));
  VW_CHECK(to.n > 0, VW_ERR_INPUT, "'%s' has no token: an anchor must be one token", word);
  for (int64_t i = 0; i < to.n && i < SHOWN && used < sizeof list; i++)
    used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i ? " " : "", vw_tokenizer_text(t, ids[i]));
  VW_CHECK(to.n == 1, VW_ERR_INPUT,
           "'%.60s' is %" PRId64 " tokens (%s%s): an anchor must be one token; choose a word of the model's vocabulary",
           word, to.n, list, to.n > SHOWN ? " ..." : "");
  VW_CHECK(!vw_tokenizer_is_special(t, ids[0]), VW_ERR_INPUT, "'%s' is the special token %s: an anchor must be a word",
           word, list);
  *id = ids[0];
  return VW_OK;
}

/* ---- the vocabulary ---- */

int64_t vw_tokenizer_size(const vw_tokenizer *t) {
  return t->size;
}

const char *vw_tokenizer_text(const vw_tokenizer *t, int32_t id) {
  return id >= 0 && id < t->size ? t->text[id] : NULL;
}

bool vw_tokenizer_is_special(const vw_tokenizer *t, int32_t id) {
  for (int i = 0; i < t->n_special; i++)
    if (t->special[i].id == id) return true;
  return false;
}

/* Bytes of a vocabulary entry without its </w>. */
static size_t label_bytes(const char *text) {
  const size_t n = strlen(text);
  return n > 4 && strcmp(text + n - 4, "</w>") == 0 ? n - 4 : n;
}

void vw_tokenizer_label(const vw_tokenizer *t, int32_t id, char *out, size_t bytes) {
  const char *text = vw_tokenizer_text(t, id);
  if (!text) text = "";
  if (!bytes) return;
  size_t n = label_bytes(text);
  if (n >= bytes) n = bytes - 1;
  while (n && text[n] && ((unsigned char)text[n] & 0xC0) == 0x80) n--; /* a character is not cut in two */
  (void)snprintf(out, bytes, "%.*s", (int)n, text);
}

bool vw_tokenizer_is_whole_word(const vw_tokenizer *t, int32_t id) {
  const char *text = vw_tokenizer_text(t, id);
  return id != 0 && text && label_bytes(text) < strlen(text) && !vw_tokenizer_is_special(t, id);
}

bool vw_tokenizer_is_reread(const vw_tokenizer *t) {
  return t->reread;
}

int32_t vw_tokenizer_start(const vw_tokenizer *t) {
  return t->start;
}
int32_t vw_tokenizer_end(const vw_tokenizer *t) {
  return t->end;
}
int32_t vw_tokenizer_pad(const vw_tokenizer *t) {
  return t->pad;
}

#include "io/tokenizer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "io/tokenizer_internal.h"

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

/* Merges the pair of the lowest rank, the leftmost of equals, until no pair is in the list. symbol and rank have room
 * for `bytes`; rank[i] belongs to the pair (i, i + 1). */
static void encode_piece(const vw_tokenizer *t, const char *piece, int64_t bytes, int32_t *symbol, int32_t *rank,
                         sink *to) {
  int64_t n = bytes;
  for (int64_t i = 0; i < n; i++) {
    const unsigned char b = (unsigned char)piece[i];
    symbol[i] = i + 1 < n ? t->byte_token[b] : t->byte_last[b];
    if (symbol[i] < 0) symbol[i] = t->unknown;
  }
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
  for (int64_t i = 0; i < n; i++) put(to, symbol[i]);
}

static vw_status encode_words(const vw_tokenizer *t, const char *text, sink *to) {
  const size_t room = strlen(text) + 1;
  const char *piece = text;
  int64_t bytes;
  int32_t *symbol = malloc(2 * room * sizeof *symbol);
  VW_CHECK(symbol, VW_ERR_MEMORY, "out of memory for a text of %zu bytes", room);
  while ((bytes = next_piece(piece, &piece)) > 0) {
    encode_piece(t, piece, bytes, symbol, symbol + room, to);
    piece += bytes;
  }
  free(symbol);
  return VW_OK;
}

/* ---- special tokens ---- */

/* No letter, digit or mark adjoins text[begin..begin + bytes). */
static bool stands_alone(const char *text, const char *begin, size_t bytes) {
  utf8proc_int32_t before = ' ', after = ' ';
  const char *at = begin;
  while (at > text && ((unsigned char)*--at & 0xC0) == 0x80) {}
  if (begin > text) (void)utf8proc_iterate((const utf8proc_uint8_t *)at, begin - at, &before);
  if (begin[bytes]) (void)utf8proc_iterate((const utf8proc_uint8_t *)begin + bytes, -1, &after);
  return !vw_text_in_word(before) && !vw_text_in_word(after);
}

static const char *find_special(const vw_special *s, const char *text) {
  const size_t bytes = strlen(s->text);
  const char *found = strstr(text, s->text);
  while (found && s->whole_word && !stands_alone(text, found, bytes)) found = strstr(found + 1, s->text);
  return found;
}

/* The leftmost special token, the longest of those that begin there; NULL: none. */
static const vw_special *next_special(const vw_tokenizer *t, const char *text, bool normalised, const char **at) {
  const vw_special *best = NULL;
  for (int i = 0; i < t->n_special; i++) {
    const vw_special *s = &t->special[i];
    const char *found = s->normalised == normalised ? find_special(s, text) : NULL;
    if (!found) continue;
    if (!best || found < *at || (found == *at && strlen(s->text) > strlen(best->text))) best = s, *at = found;
  }
  return best;
}

/* Cuts special tokens out of `text` (modified: cut into strings) and encodes what lies between them: first those of the
 * text as written, then, in each part made lower case, the others. */
static vw_status encode_text(const vw_tokenizer *t, char *text, bool normalised, sink *to) {
  for (;;) {
    const char *at = NULL;
    char *lower;
    const vw_special *s = next_special(t, text, normalised, &at);
    if (s) text[at - text] = 0;
    if (normalised) {
      VW_TRY(encode_words(t, text, to));
    } else {
      VW_TRY(vw_text_normalise(text, &lower));
      const vw_status st = encode_text(t, lower, true, to);
      free(lower);
      if (st != VW_OK) return st;
    }
    if (!s) return VW_OK;
    put(to, s->id);
    text += (at - text) + (ptrdiff_t)strlen(s->text);
  }
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

bool vw_tokenizer_is_whole_word(const vw_tokenizer *t, int32_t id) {
  const char *text = vw_tokenizer_text(t, id);
  const size_t n = text ? strlen(text) : 0;
  return id != 0 && n > 4 && strcmp(text + n - 4, "</w>") == 0 && !vw_tokenizer_is_special(t, id);
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

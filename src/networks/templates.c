#include "networks/templates.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TOKENS = 512 };

typedef struct parts {
  int32_t before[MAX_TOKENS], after[MAX_TOKENS];
  int64_t n_before, n_after;
} parts;

/* The word must be a word of its own for the tokenizer: white space or nothing before it, no letter or apostrophe
 * behind. */
static bool stands_alone(const char *text, const char *hole) {
  const unsigned char next = (unsigned char)hole[2];
  const bool free_before = hole == text || hole[-1] == ' ' || hole[-1] == '\t';
  const bool free_after = next < 0x80 && !(next >= 'a' && next <= 'z') && !(next >= 'A' && next <= 'Z') && next != '\'';
  return free_before && free_after;
}

static vw_status split(const vw_tokenizer *tokenizer, const char *text, parts *p) {
  const char *hole = strstr(text, "{}");
  char before[1024];
  VW_CHECK(hole && !strstr(hole + 2, "{}"), VW_ERR_INPUT, "template '%s': expected exactly one {}", text);
  VW_CHECK(stands_alone(text, hole), VW_ERR_INPUT,
           "template '%s': put {} apart from other letters, as a word of its own", text);
  VW_CHECK((size_t)(hole - text) < sizeof before, VW_ERR_INPUT, "template '%s' is too long", text);
  memcpy(before, text, (size_t)(hole - text)), before[hole - text] = 0;
  VW_TRY(vw_tokenizer_encode_part(tokenizer, before, p->before, MAX_TOKENS, &p->n_before));
  return vw_tokenizer_encode_part(tokenizer, hole + 2, p->after, MAX_TOKENS, &p->n_after);
}

static vw_status measure(vw_templates *t, const vw_tokenizer *tokenizer, const char *const *texts, int64_t positions,
                         parts *p) {
  for (int64_t m = 0; m < t->M; m++) {
    VW_TRY(split(tokenizer, texts[m], p));
    const int64_t prefix = p->n_before + 1, tail = p->n_after + t->vectors + 1; /* start; word and end */
    VW_CHECK(prefix + tail <= positions, VW_ERR_INPUT,
             "template '%s' has %" PRId64 " tokens with its word%s; the network takes %" PRId64, texts[m],
             prefix + tail, t->vectors > 1 ? " of several vectors" : "", positions);
    if (prefix > t->P) t->P = prefix;
    if (tail > t->T) t->T = tail;
  }
  return VW_OK;
}

static vw_status fill(vw_templates *t, const vw_tokenizer *tokenizer, const char *const *texts, parts *p) {
  for (int64_t m = 0; m < t->M; m++) {
    VW_TRY(split(tokenizer, texts[m], p));
    int32_t *prefix = t->prefix + m * t->P, *tail = t->tail + m * t->T;
    prefix[0] = vw_tokenizer_start(tokenizer);
    memcpy(prefix + 1, p->before, (size_t)p->n_before * sizeof *prefix);
    const int32_t end = (int32_t)(t->vectors + p->n_after);
    memcpy(tail + t->vectors, p->after, (size_t)p->n_after * sizeof *tail);
    tail[end] = vw_tokenizer_end(tokenizer);
    t->prefix_len[m] = (int32_t)p->n_before + 1, t->length[m] = end + 1, t->pooled[m] = end;
  }
  return VW_OK;
}

vw_status vw_templates_create(vw_templates *t, const vw_tokenizer *tokenizer, const char *const *texts, int64_t n,
                              int64_t positions, int64_t vectors) {
  parts *p = malloc(sizeof *p);
  vw_status st = VW_OK;
  *t = (vw_templates){.M = n, .vectors = vectors};
  VW_CHECK(p, VW_ERR_MEMORY, "templates: out of memory");
  VW_GOTO(measure(t, tokenizer, texts, positions, p));
  t->prefix = calloc((size_t)(n * t->P), sizeof(int32_t)), t->tail = calloc((size_t)(n * t->T), sizeof(int32_t));
  t->prefix_len = calloc((size_t)n, sizeof(int32_t)), t->length = calloc((size_t)n, sizeof(int32_t));
  t->pooled = calloc((size_t)n, sizeof(int32_t));
  if (!t->prefix || !t->tail || !t->prefix_len || !t->length || !t->pooled)
    st = VW_RAISE(VW_ERR_MEMORY, "templates: out of memory");
  else
    VW_GOTO(fill(t, tokenizer, texts, p));
cleanup:
  free(p);
  if (st != VW_OK) vw_templates_destroy(t);
  return st;
}

void vw_templates_destroy(vw_templates *t) {
  free(t->prefix), free(t->prefix_len), free(t->tail), free(t->length), free(t->pooled);
  *t = (vw_templates){0};
}

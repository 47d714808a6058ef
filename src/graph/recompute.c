/* Recomputation (Chen et al. 2016, arXiv 1604.06174): the forward nodes are cut into segments. What crosses a cut is
 * kept; what a gradient reads of the inside of a segment is computed a second time just before the gradients of that
 * segment. The last segment is never recomputed: its gradients come first.
 *
 * Where to cut. Cuts stand where fewest bytes are alive (a local minimum of the crossing bytes): between blocks of a
 * network, whatever it is. Of those places the cuts are chosen that make the largest of all segments' needs smallest.
 * While the gradients of segment [a, b) run, these are alive:
 *
 *   need(a, b) = kept(a) + crossing(a, b) + saved(a, b) + work(a, b)
 *   kept(b)    = kept(a) + crossing(a, b)
 *
 *   crossing   made in [a, b), read behind b
 *   saved      made in [a, b), read by a gradient, and not behind b
 *   work       the most that gradients hold at a time beside that (gradients of skip connections too), or what the
 *              second forward pass holds beside what was alive when it began
 *
 * For a bound M on all needs the least kept(b) that s segments reach is a shortest path over the places, and the least
 * M for which the last place can be reached is found by halving. It is the optimum of this sum, which counts a value as
 * alive until the gradients of its segment are done. */
#include "core/align.h"
#include "graph/internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { PLACES = 512 };

typedef struct lives {
  vw_graph *g;
  int64_t F; /* forward nodes; gradients come behind them */
  uint8_t *node_needed, *value_needed;
  vw_value *root;                /* [values] whose memory the value has */
  int64_t *bytes;                /* [values] 0: a leaf's, or another value's memory */
  int64_t *made, *read;          /* [values] the node that makes it; the last forward node that reads it, -1: none */
  uint8_t *saved;                /* [values] a gradient reads it */
  uint8_t *stays;                /* [values] an output, or updated in place: never made twice */
  int64_t *crossing;             /* [F + 1] bytes made before node p and read at p or behind it */
  int64_t *beside;               /* [F] bytes alive at node t that no gradient reads */
  int64_t *gradients, *arriving; /* [F + 1] most bytes of gradients while those of node t are made; alive before */
} lives;

typedef struct places {
  int64_t n, at[PLACES + 2];         /* at[0] = 0, at[n - 1] = F */
  int64_t *kept, *need;              /* [n, n] of segment [at[a], at[b]): crossing(a, b); need without kept(a) */
  int64_t cut[VW_MOST_SEGMENTS + 1]; /* the result: first nodes of segments, then F */
  int64_t segments;
} places;

/* ---- what lives how long ----------------------------------------------------------------------------------------- */

static void lives_free(lives *l) {
  free(l->node_needed), free(l->value_needed), free(l->root), free(l->bytes), free(l->made), free(l->read);
  free(l->saved), free(l->stays), free(l->crossing), free(l->beside), free(l->gradients), free(l->arriving);
}

static vw_status lives_allocate(lives *l, vw_graph *g) {
  const size_t V = (size_t)g->n_values + 1, N = (size_t)g->n_nodes + 1, F = (size_t)g->n_forward + 2;
  *l = (lives){.g = g, .F = g->n_forward};
  l->node_needed = calloc(N, 1), l->value_needed = calloc(V, 1), l->saved = calloc(V, 1), l->stays = calloc(V, 1);
  l->root = calloc(V, sizeof *l->root);
  int64_t **const of_values[] = {&l->bytes, &l->made, &l->read};
  int64_t **const of_nodes[] = {&l->crossing, &l->beside, &l->gradients, &l->arriving};
  bool has_memory = l->node_needed && l->value_needed && l->saved && l->stays && l->root;
  for (size_t i = 0; i < sizeof of_values / sizeof *of_values; i++)
    has_memory = (*of_values[i] = calloc(V, sizeof(int64_t))) && has_memory;
  for (size_t i = 0; i < sizeof of_nodes / sizeof *of_nodes; i++)
    has_memory = (*of_nodes[i] = calloc(F, sizeof(int64_t))) && has_memory;
  VW_CHECK(has_memory, VW_ERR_MEMORY, "recompute: out of memory");
  return VW_OK;
}

static bool is_alias(const vw_graph *g, const vw_policy *policy, const vw_node *n) {
  return n->op->alias && vw_graph_storage(g, policy, n->in[0]) == vw_graph_storage(g, policy, n->out[0]);
}

static int64_t stored_bytes(const vw_graph *g, const vw_policy *policy, vw_value v) {
  vw_tensor t = vw_value_tensor(g, v);
  t.dtype = vw_graph_storage(g, policy, v);
  return ((int64_t)vw_bytes(&t) + VW_ALIGN - 1) / VW_ALIGN * VW_ALIGN;
}

/* Makers, readers and sizes of all values. */
static void find_values(lives *l, const vw_policy *policy) {
  const vw_graph *g = l->g;
  for (int64_t v = 0; v < g->n_values; v++) l->root[v] = (vw_value)v, l->made[v] = l->read[v] = -1;
  for (int64_t i = 0; i < g->n_nodes; i++) {
    const vw_node *n = &g->nodes[i];
    for (int j = 0; j < n->op->n_out; j++) {
      l->made[n->out[j]] = i;
      l->stays[n->out[j]] |= n->op->in_place[j] != 0;
      l->bytes[n->out[j]] = n->op->in_place[j] ? 0 : stored_bytes(g, policy, n->out[j]);
    }
    if (is_alias(g, policy, n)) l->root[n->out[0]] = l->root[n->in[0]], l->bytes[n->out[0]] = 0;
    if (!l->node_needed[i]) continue;
    for (int j = 0; j < n->op->n_in; j++) {
      if (n->in[j] == VW_NONE) continue;
      for (vw_value v = n->in[j];; v = l->root[v]) { /* of an alias it and the root */
        if (i < l->F)
          l->read[v] = i;
        else
          l->saved[v] = 1;
        if (v == l->root[v]) break;
      }
    }
  }
  for (int64_t i = 0; i < g->n_outputs; i++) l->stays[g->outputs[i].value] = l->stays[l->root[g->outputs[i].value]] = 1;
}

static bool is_forward(const lives *l, vw_value v) {
  return v != VW_NONE && l->made[v] >= 0 && l->made[v] < l->F;
}

static void add_range(int64_t *change, int64_t first, int64_t behind, int64_t bytes) {
  if (behind <= first) return;
  change[first] += bytes, change[behind] -= bytes;
}

static void sum_up(int64_t *change, int64_t n) {
  for (int64_t i = 1; i < n; i++) change[i] += change[i - 1];
}

static void count_forward(lives *l) {
  for (int64_t v = 0; v < l->g->n_values; v++) {
    if (!is_forward(l, (vw_value)v) || !l->node_needed[l->made[v]] || !l->bytes[v]) continue;
    add_range(l->crossing, l->made[v] + 1, l->read[v] + 1, l->bytes[v]);
    if (!l->saved[v])
      add_range(l->beside, l->made[v], l->read[v] < l->made[v] ? l->made[v] + 1 : l->read[v] + 1, l->bytes[v]);
  }
  sum_up(l->crossing, l->F + 1), sum_up(l->beside, l->F + 1);
}

/* The bytes of gradients that are alive at each node behind the forward nodes, and by the forward nodes that they are
 * gradients of. */
static vw_status count_gradients(lives *l) {
  const vw_graph *g = l->g;
  const int64_t F = l->F, N = g->n_nodes - F;
  int64_t *last = malloc((size_t)(g->n_values + 1) * sizeof *last), *alive = calloc((size_t)N + 2, sizeof *alive);
  int64_t *across = calloc((size_t)N + 2, sizeof *across);
  vw_status st = last && alive && across ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "recompute: out of memory");
  for (int64_t v = 0; st == VW_OK && v < g->n_values; v++) last[v] = l->made[v];
  for (int64_t i = F; st == VW_OK && i < g->n_nodes; i++)
    for (int j = 0; l->node_needed[i] && j < g->nodes[i].op->n_in; j++)
      if (g->nodes[i].in[j] != VW_NONE) last[l->root[g->nodes[i].in[j]]] = i;
  for (int64_t v = 0; st == VW_OK && v < g->n_values; v++) {
    if (l->made[v] < F || !l->node_needed[l->made[v]]) continue;
    add_range(alive, l->made[v] - F, last[v] + 1 - F, l->bytes[v]);
    add_range(across, l->made[v] + 1 - F, last[v] + 1 - F, l->bytes[v]);
  }
  if (st == VW_OK) sum_up(alive, N + 1), sum_up(across, N + 1);
  for (int64_t t = F - 1; st == VW_OK && t >= 0; t--) {
    const int64_t from = g->gradient_from[t] - F, behind = (t ? g->gradient_from[t - 1] : g->gradient_end) - F;
    l->arriving[t] = across[from];
    for (int64_t i = from; i < behind; i++)
      if (alive[i] > l->gradients[t]) l->gradients[t] = alive[i];
  }
  free(last), free(alive), free(across);
  return st;
}

static vw_status find_lives(lives *l, vw_graph *g, const vw_policy *policy) {
  VW_TRY(lives_allocate(l, g));
  vw_mark_needed(g, l->node_needed, l->value_needed);
  find_values(l, policy);
  count_forward(l);
  return count_gradients(l);
}

/* ---- where to cut ------------------------------------------------------------------------------------------------ */

/* Local minima of the crossing bytes, of a level stretch the first place; every second one while there are too many. */
static void find_places(const lives *l, places *p) {
  int64_t step = 1, minima;
  do {
    p->n = 1, p->at[0] = 0, minima = 0;
    for (int64_t i = 1; i < l->F; i++) {
      int64_t next = i + 1;
      while (next < l->F && l->crossing[next] == l->crossing[i]) next++;
      if (l->crossing[i - 1] <= l->crossing[i] && i > 1) continue;
      if (next < l->F && l->crossing[next] < l->crossing[i]) continue;
      if (minima++ % step == 0 && p->n <= PLACES) p->at[p->n++] = i;
    }
    step *= 2;
  } while (minima / (step / 2) > PLACES);
  p->at[p->n++] = l->F;
}

/* The needs of all segments that end at place b. */
static void measure_to(const lives *l, places *p, int64_t b, int64_t *sums) {
  const int64_t end = p->at[b];
  int64_t *const kept = sums, *const saved = sums + l->F;
  int64_t beside = 0, gradients = 0;
  memset(sums, 0, 2 * (size_t)l->F * sizeof *sums);
  for (int64_t v = 0; v < l->g->n_values; v++) {
    if (!is_forward(l, (vw_value)v) || l->made[v] >= end || !l->node_needed[l->made[v]]) continue;
    if (l->read[v] >= end || l->stays[v])
      kept[l->made[v]] += l->bytes[v];
    else if (l->saved[v])
      saved[l->made[v]] += l->bytes[v];
  }
  int64_t t = end, crossing = 0, inside = 0;
  for (int64_t a = b - 1; a >= 0; a--) {
    for (; t > p->at[a]; t--) {
      crossing += kept[t - 1], inside += saved[t - 1];
      if (l->beside[t - 1] > beside) beside = l->beside[t - 1];
      if (l->gradients[t - 1] > gradients) gradients = l->gradients[t - 1];
    }
    const int64_t again = l->arriving[end - 1] + beside;
    p->kept[a * p->n + b] = crossing;
    p->need[a * p->n + b] = crossing + inside + (again > gradients ? again : gradients);
  }
}

static vw_status measure_segments(const lives *l, places *p) {
  const size_t pairs = (size_t)(p->n * p->n);
  int64_t *sums = malloc(2 * (size_t)(l->F + 1) * sizeof *sums);
  p->kept = calloc(pairs, sizeof *p->kept), p->need = calloc(pairs, sizeof *p->need);
  const bool has_memory = sums && p->kept && p->need;
  for (int64_t b = 1; has_memory && b < p->n; b++) measure_to(l, p, b, sums);
  free(sums);
  VW_CHECK(has_memory, VW_ERR_MEMORY, "recompute: out of memory");
  return VW_OK;
}

/* Can all be cut into at most `segments`, none of which needs more than `most`? least, from: [segments + 1, n] room;
 * the cuts are written where it can. */
static bool reaches(places *p, int64_t segments, int64_t most, int64_t *least, int64_t *from) {
  const int64_t n = p->n;
  for (int64_t i = 0; i < (segments + 1) * n; i++) least[i] = INT64_MAX;
  least[0] = 0;
  for (int64_t s = 1; s <= segments; s++) {
    for (int64_t b = s; b < n; b++)
      for (int64_t a = s - 1; a < b; a++) {
        const int64_t kept = least[(s - 1) * n + a];
        if (kept == INT64_MAX || kept + p->need[a * n + b] > most) continue;
        if (kept + p->kept[a * n + b] >= least[s * n + b]) continue;
        least[s * n + b] = kept + p->kept[a * n + b], from[s * n + b] = a;
      }
    if (least[s * n + n - 1] == INT64_MAX) continue;
    p->segments = s;
    for (int64_t b = n - 1, i = s; i >= 0; b = i > 0 ? from[i * n + b] : 0, i--) p->cut[i] = p->at[b];
    return true;
  }
  return false;
}

static vw_status choose_cuts(places *p, int64_t segments) {
  const size_t room = (size_t)((segments + 1) * p->n);
  int64_t *least = malloc(room * sizeof *least), *from = calloc(room, sizeof *from);
  int64_t fails = -1, fits = p->need[p->n - 1]; /* uncut */
  const bool has_memory = least && from;
  while (has_memory && fits - fails > 1) {
    const int64_t middle = fails + (fits - fails) / 2;
    if (reaches(p, segments, middle, least, from))
      fits = middle;
    else
      fails = middle;
  }
  if (has_memory) (void)reaches(p, segments, fits, least, from);
  free(least), free(from);
  VW_CHECK(has_memory, VW_ERR_MEMORY, "recompute: out of memory");
  return VW_OK;
}

/* ---- the graph anew ---------------------------------------------------------------------------------------------- */

typedef struct rewriting {
  lives *l;
  const places *p;
  int64_t *segment; /* [F] */
  vw_value *copy;   /* [values] what gradients read instead; VW_NONE: nothing else */
  uint8_t *wanted;  /* [values] is made a second time */
  vw_node *nodes;   /* the new order */
  int64_t n, cap;
  bool *done; /* [segments] */
} rewriting;

/* Made inside of a segment that is recomputed, and read there alone. */
static bool is_inside(const rewriting *w, vw_value v) {
  const lives *l = w->l;
  if (!is_forward(l, v) || l->stays[v]) return false;
  const int64_t of = w->segment[l->made[v]];
  return of < w->p->segments - 1 && (l->read[v] < 0 || w->segment[l->read[v]] == of);
}

/* Nodes whose results are read by a gradient, and what they are made of, inside of segments. */
static void mark_wanted(rewriting *w) {
  const lives *l = w->l;
  const vw_graph *g = l->g;
  for (int64_t i = g->n_nodes - 1; i >= 0; i--) {
    const vw_node *n = &g->nodes[i];
    bool reads = i >= l->F;
    for (int j = 0; j < n->op->n_out && !reads; j++) reads = w->wanted[n->out[j]];
    for (int j = 0; reads && l->node_needed[i] && j < n->op->n_in; j++)
      if (is_inside(w, n->in[j])) w->wanted[n->in[j]] = 1;
  }
}

static vw_status append(rewriting *w, const vw_node *n) {
  VW_TRY(vw_grow((void **)&w->nodes, w->n, &w->cap, sizeof *w->nodes));
  w->nodes[w->n] = *n;
  for (int j = 0; j < n->op->n_out; j++) w->l->g->values[n->out[j]].node = w->n;
  w->n++;
  return VW_OK;
}

static void redirect(const rewriting *w, vw_node *n) {
  for (int j = 0; j < n->op->n_in; j++)
    if (n->in[j] != VW_NONE && w->copy[n->in[j]] != VW_NONE) n->in[j] = w->copy[n->in[j]];
}

static vw_status repeat_node(rewriting *w, vw_node n) {
  vw_graph *g = w->l->g;
  redirect(w, &n);
  for (int j = 0; j < n.op->n_out; j++) {
    const vw_value old = n.out[j];
    VW_TRY(vw_grow((void **)&g->values, g->n_values, &g->cap_values, sizeof *g->values));
    n.out[j] = (vw_value)g->n_values;
    g->values[g->n_values++] = g->values[old];
    if (w->wanted[old]) w->copy[old] = n.out[j];
  }
  return append(w, &n);
}

static vw_status repeat_segment(rewriting *w, int64_t s) {
  const vw_graph *g = w->l->g;
  if (w->done[s]) return VW_OK;
  w->done[s] = true;
  for (int64_t t = w->p->cut[s]; t < w->p->cut[s + 1]; t++) {
    bool any = false;
    for (int j = 0; j < g->nodes[t].op->n_out; j++) any |= w->wanted[g->nodes[t].out[j]] != 0;
    if (any) VW_TRY(repeat_node(w, g->nodes[t]));
  }
  return VW_OK;
}

static vw_status rewrite_nodes(rewriting *w) {
  const lives *l = w->l;
  vw_graph *g = l->g;
  const int64_t n_values = g->n_values;
  for (int64_t s = 0; s < w->p->segments; s++)
    for (int64_t t = w->p->cut[s]; t < w->p->cut[s + 1]; t++) w->segment[t] = s;
  for (int64_t v = 0; v < n_values; v++) w->copy[v] = VW_NONE;
  mark_wanted(w);
  for (int64_t i = 0; i < g->n_nodes; i++) {
    vw_node n = g->nodes[i];
    for (int j = 0; i >= l->F && l->node_needed[i] && j < n.op->n_in; j++)
      if (n.in[j] != VW_NONE && w->wanted[n.in[j]]) VW_TRY(repeat_segment(w, w->segment[l->made[n.in[j]]]));
    if (i >= l->F) redirect(w, &n);
    VW_TRY(append(w, &n));
  }
  return VW_OK;
}

static vw_status rewrite(lives *l, const places *p) {
  vw_graph *g = l->g;
  rewriting w = {.l = l, .p = p};
  vw_status st = VW_OK;
  w.segment = calloc((size_t)l->F + 1, sizeof *w.segment), w.done = calloc((size_t)p->segments + 1, sizeof *w.done);
  w.copy = calloc((size_t)g->n_values + 1, sizeof *w.copy), w.wanted = calloc((size_t)g->n_values + 1, 1);
  if (!w.segment || !w.done || !w.copy || !w.wanted) VW_GOTO(VW_RAISE(VW_ERR_MEMORY, "recompute: out of memory"));
  VW_GOTO(rewrite_nodes(&w));
  free(g->nodes);
  g->nodes = w.nodes, g->n_nodes = w.n, g->cap_nodes = w.cap;
  w.nodes = NULL;
cleanup:
  free(w.segment), free(w.done), free(w.copy), free(w.wanted), free(w.nodes);
  return st;
}

vw_status vw_recompute(vw_graph *g, const vw_policy *policy, int64_t segments) {
  const vw_policy fallback = vw_default_policy(VW_CPU);
  lives l = {0};
  vw_status st = VW_OK;
  VW_TRY(vw_graph_status(g));
  VW_CHECK(segments <= VW_MOST_SEGMENTS, VW_ERR_ARG, "recompute: %" PRId64 " segments, at most %d", segments,
           VW_MOST_SEGMENTS);
  if (segments < 2 || g->n_forward < 2) return VW_OK;
  VW_CHECK(g->gradient_from, VW_ERR_ARG,
           "recompute: the graph was differentiated more than once, or recomputes already");
  places *p = calloc(1, sizeof *p);
  VW_CHECK(p, VW_ERR_MEMORY, "recompute: out of memory");
  VW_GOTO(find_lives(&l, g, policy ? policy : &fallback));
  find_places(&l, p);
  VW_GOTO(measure_segments(&l, p));
  VW_GOTO(choose_cuts(p, segments));
  if (p->segments > 1) VW_GOTO(rewrite(&l, p));
  free(g->gradient_from); /* tells of the old order */
  g->gradient_from = NULL;
cleanup:
  free(p->kept), free(p->need), free(p);
  lives_free(&l);
  return st;
}

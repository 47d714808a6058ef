#include "results/predict_items.h"

#include "cluster/simulate.h"
#include "study/schedule.h"

#include <stdlib.h>

vw_status vw_predict_items_add(vw_predict_items *items, vw_predict_item one) {
  if (items->n == items->room) {
    const int64_t room = 2 * items->room + 64;
    vw_predict_item *more = realloc(items->item, (size_t)room * sizeof *more);
    VW_CHECK(more, VW_ERR_MEMORY, "out of memory");
    items->item = more, items->room = room;
  }
  items->item[items->n++] = one;
  return VW_OK;
}

void vw_predict_items_free(vw_predict_items *items) {
  free(items->item);
  *items = (vw_predict_items){0};
}

int64_t vw_predict_rounds(const vw_predict_items *items) {
  int64_t rounds = 0;
  for (int64_t i = 0; i < items->n; i++)
    if (items->item[i].round >= rounds) rounds = items->item[i].round + 1;
  return rounds;
}

/* ---- a round's queue --------------------------------------------------------------------------------------------- */

void vw_predict_queue_free(vw_predict_queue *q) {
  free(q->seconds), free(q->cost), free(q->parts);
  *q = (vw_predict_queue){0};
}

/* An item's group, and where the item stands in the queue's order. */
typedef struct placed {
  int64_t group, place;
} placed;

static int by_group(const void *a, const void *b) {
  const placed *x = a, *y = b;
  if (x->group != y->group) return x->group < y->group ? -1 : 1;
  return x->place < y->place ? -1 : x->place > y->place;
}

/* head[place]: the place of the first item of the item's group. */
static void find_heads(placed *p, int64_t n, int64_t *head) {
  qsort(p, (size_t)n, sizeof *p, by_group);
  for (int64_t i = 0; i < n; i++) {
    const bool goes_on = i > 0 && p[i].group && p[i].group == p[i - 1].group;
    head[p[i].place] = goes_on ? head[p[i - 1].place] : p[i].place;
  }
}

/* The round's items: which they are, the dearest first. */
static int64_t order_round(const vw_predict_items *items, int64_t round, int64_t *order, double *cost) {
  int64_t n = 0;
  for (int64_t i = 0; i < items->n; i++) {
    cost[i] = items->item[i].cost;
    if (items->item[i].round == round) order[n++] = i;
  }
  vw_schedule_sort(order, n, cost);
  return n;
}

/* A group counts where its first item stands. */
static void fill(const vw_predict_items *items, const int64_t *order, const int64_t *head, int64_t n, int64_t *at,
                 vw_predict_queue *out) {
  for (int64_t i = 0; i < n; i++) {
    const vw_predict_item *one = &items->item[order[i]];
    if (head[i] == i) at[i] = out->n++, out->cost[at[i]] = one->cost;
    out->seconds[at[head[i]]] += one->seconds, out->parts[at[head[i]]]++;
  }
}

vw_status vw_predict_queue_of(const vw_predict_items *items, int64_t round, vw_predict_queue *out) {
  const size_t room = (size_t)items->n + 1;
  int64_t *order = calloc(3 * room, sizeof *order), *head = order ? order + room : NULL;
  placed *p = calloc(room, sizeof *p);
  double *cost = calloc(room, sizeof *cost);
  *out = (vw_predict_queue){.seconds = calloc(room, sizeof *out->seconds),
                            .cost = calloc(room, sizeof *out->cost),
                            .parts = calloc(room, sizeof *out->parts)};
  const bool has_memory = order && p && cost && out->seconds && out->cost && out->parts;
  if (has_memory) {
    const int64_t n = order_round(items, round, order, cost);
    for (int64_t i = 0; i < n; i++) p[i] = (placed){items->item[order[i]].group, i};
    find_heads(p, n, head);
    fill(items, order, head, n, head + room, out);
  }
  free(order), free(p), free(cost);
  return has_memory ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "out of memory");
}

vw_status vw_predict_items_length(const vw_predict_items *items, int64_t ranks, double *seconds) {
  const int64_t rounds = vw_predict_rounds(items);
  vw_status st = VW_OK;
  *seconds = items->beside + items->alone;
  for (int64_t round = 0; st == VW_OK && round < rounds; round++) {
    vw_predict_queue q;
    vw_simulation run = {0};
    st = vw_predict_queue_of(items, round, &q);
    const vw_simulated in = {.ranks = ranks, .n = q.n, .seconds = q.seconds, .parts = q.parts, .steps = 1};
    if (st == VW_OK) st = vw_simulate(&in, &run, NULL, NULL);
    *seconds += run.makespan;
    vw_predict_queue_free(&q);
  }
  return st;
}

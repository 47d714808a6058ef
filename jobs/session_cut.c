/* Tasks on networks whose text encoder is cut. */
#include "jobs/session.h"

#include <stdlib.h>

struct vw_cut_task {
  int64_t model, data, layers;
  vw_network *view;
  vw_task *task;
  vw_cut_task *next;
};

void vw_session_cut_close(vw_session *s) {
  while (s->cut) {
    vw_cut_task *next = s->cut->next;
    if (s->cut->task) s->cut->task->kind->close(s->cut->task);
    vw_network_uncut(s->cut->view);
    free(s->cut);
    s->cut = next;
  }
}

/* But for the one at `kept`; < 0: all. */
static void close_whole(vw_session *s, int64_t kept) {
  for (int64_t i = 0; i < s->config->n_models * s->config->n_data; i++) {
    if (!s->tasks[i] || i == kept) continue;
    s->tasks[i]->kind->close(s->tasks[i]);
    s->tasks[i] = NULL;
  }
}

static vw_cut_task *find_cut(const vw_session *s, int64_t model, int64_t data, int64_t layers) {
  vw_cut_task *c = s->cut;
  while (c && (c->model != model || c->data != data || c->layers != layers)) c = c->next;
  return c;
}

static vw_status open_cut(vw_session *s, int64_t model, int64_t data, int64_t layers) {
  vw_task_inputs in = vw_session_inputs(s, model, data);
  vw_cut_task *c = calloc(1, sizeof *c);
  VW_CHECK(c, VW_ERR_MEMORY, "out of memory");
  *c = (vw_cut_task){.model = model, .data = data, .layers = layers, .next = s->cut};
  s->cut = c;
  if (s->kinds[model]->task->lends_to_cut) VW_TRY(vw_session_task(s, model, data, &in.whole));
  VW_TRY(vw_network_cut(s->networks[model], layers, &c->view));
  in.network = c->view;
  return s->kinds[model]->task->open(&c->task, &in);
}

/* Room for a task: what others hold is given back, but what they lend one another. */
static void make_room(vw_session *s, int64_t model, int64_t data) {
  const bool lends = s->kinds[model]->task->lends_to_cut;
  if (!lends || !s->cut || s->cut->model != model || s->cut->data != data) vw_session_cut_close(s);
  close_whole(s, lends ? model * s->config->n_data + data : -1);
}

vw_status vw_session_cut_task(vw_session *s, int64_t model, int64_t data, int64_t layers, vw_task **task) {
  if (layers == s->networks[model]->text.tower.t.layers) {
    if (!s->kinds[model]->task->lends_to_cut) vw_session_cut_close(s);
    return vw_session_task(s, model, data, task);
  }
  if (!find_cut(s, model, data, layers)) {
    make_room(s, model, data);
    const vw_status st = open_cut(s, model, data, layers);
    if (st != VW_OK) vw_session_cut_close(s);
    VW_TRY(st);
  }
  *task = find_cut(s, model, data, layers)->task;
  return VW_OK;
}

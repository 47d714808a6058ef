/* Tasks on networks whose text encoder is cut. */
#include "jobs/session.h"

#include <stdlib.h>

struct vw_cut_task {
  int64_t model, data, layers;
  vw_network *view;
  vw_task *task;
};

void vw_session_cut_close(vw_session *s) {
  vw_cut_task *c = s->cut;
  if (!c) return;
  if (c->task) c->task->kind->close(c->task);
  vw_network_uncut(c->view);
  free(c);
  s->cut = NULL;
}

static void close_whole(vw_session *s) {
  for (int64_t i = 0; i < s->config->n_models * s->config->n_data; i++) {
    if (s->tasks[i]) s->tasks[i]->kind->close(s->tasks[i]);
    s->tasks[i] = NULL;
  }
}

static vw_status open_cut(vw_session *s, int64_t model, int64_t data, int64_t layers) {
  vw_task_inputs in = vw_session_inputs(s, model, data);
  vw_cut_task *c = calloc(1, sizeof *c);
  s->cut = c;
  VW_CHECK(c, VW_ERR_MEMORY, "out of memory");
  *c = (vw_cut_task){.model = model, .data = data, .layers = layers};
  VW_TRY(vw_network_cut(s->networks[model], layers, &c->view));
  in.network = c->view;
  return s->kinds[model]->task->open(&c->task, &in);
}

vw_status vw_session_cut_task(vw_session *s, int64_t model, int64_t data, int64_t layers, vw_task **task) {
  vw_cut_task *c = s->cut;
  if (layers == s->networks[model]->text.tower.t.layers) {
    vw_session_cut_close(s);
    return vw_session_task(s, model, data, task);
  }
  if (!c || c->model != model || c->data != data || c->layers != layers) {
    vw_session_cut_close(s), close_whole(s);
    const vw_status st = open_cut(s, model, data, layers);
    if (st != VW_OK) vw_session_cut_close(s);
    VW_TRY(st);
  }
  *task = s->cut->task;
  return VW_OK;
}

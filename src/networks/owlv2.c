#include "networks/owlv2.h"

#include "networks/states.h"

#include <stdlib.h>
#include <string.h>

#define POSITIONS "owlv2.vision_model.embeddings.position_embedding.weight"

int64_t vw_owlv2_patches(const vw_owlv2_network *n) {
  const int64_t side = n->clip.vision.image_size / n->clip.vision.patch;
  return side * side;
}

vw_dtype vw_owlv2_embedding_type(const vw_owlv2_network *n) {
  return n->clip.image_policy.act;
}

vw_dtype vw_owlv2_head_type(const vw_owlv2_network *n) {
  return n->clip.image_policy.head;
}

/* ---- opening ----------------------------------------------------------------------------------------------------- */

static vw_status find_weight(void *user, const char *name, vw_tensor *out) {
  const vw_owlv2_network *n = user;
  if (!n->positions || strcmp(name, POSITIONS) != 0) return vw_hub_clip_tensor(&n->clip.hub, name, out);
  *out = vw_shape(VW_F64, 1 + vw_owlv2_patches(n), n->clip.vision.t.width);
  out->data = n->positions;
  return VW_OK;
}

/* The weights have positions for image_size; pictures come in square.size. */
static vw_status fit_positions(vw_owlv2_network *n) {
  vw_clip_vision_config *v = &n->clip.vision;
  const int64_t side = v->image_size / v->patch, D = v->t.width;
  const vw_tensor expected = vw_shape(VW_PARAM, 1 + side * side, D);
  vw_tensor t;
  if (n->square.size == v->image_size) return VW_OK;
  v->image_size = n->square.size;
  VW_TRY(vw_weights_find(n->clip.net.weights, POSITIONS, &expected, &t));
  double *from = malloc((size_t)vw_count(&t) * sizeof *from);
  double *to = malloc((size_t)((1 + vw_owlv2_patches(n)) * D) * sizeof *to);
  vw_status st = from && to ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "%s: out of memory", n->clip.net.dir);
  if (st == VW_OK) st = vw_convert(from, VW_F64, t.data, t.dtype, vw_count(&t));
  if (st == VW_OK) vw_positions_resize(from, side, D, v->image_size / v->patch, to);
  free(from);
  if (st == VW_OK)
    n->positions = to;
  else
    free(to);
  return st;
}

static vw_status check_pictures(const vw_owlv2_network *n) {
  vw_graph *g = NULL;
  VW_TRY(vw_graph_create(&g));
  vw_status st = vw_owlv2_picture_graph(g, n);
  if (st == VW_OK) st = vw_weights_check(n->clip.net.weights, g);
  vw_graph_destroy(g);
  return st;
}

static vw_status open_parts(vw_owlv2_network *n, const char *dir, vw_context *ctx) {
  vw_clip_network *c = &n->clip;
  VW_TRY(vw_hub_owlv2_open(&c->hub, &n->square, dir));
  VW_TRY(vw_clip_network_init(c, &vw_owlv2_kind, dir, ctx, find_weight, n));
  c->vision.first_norm = "pre_layernorm";
  VW_TRY(vw_clip_network_check_text(c));
  VW_TRY(fit_positions(n));
  return check_pictures(n);
}

vw_status vw_owlv2_network_open(vw_owlv2_network **out, const char *dir, vw_context *ctx) {
  vw_owlv2_network *n = calloc(1, sizeof *n);
  *out = NULL;
  VW_CHECK(n, VW_ERR_MEMORY, "%s: out of memory", dir);
  const vw_status st = open_parts(n, dir, ctx);
  if (st != VW_OK) {
    vw_owlv2_network_close(n);
    return vw_fail(st, __FILE__, __LINE__, "opening %s", dir);
  }
  *out = n;
  return VW_OK;
}

void vw_owlv2_network_close(vw_owlv2_network *n) {
  if (!n) return;
  vw_clip_network_fini(&n->clip);
  free(n->positions), free(n);
}

/* ---- pictures ---------------------------------------------------------------------------------------------------- */

vw_status vw_owlv2_picture_graph(vw_graph *g, const vw_owlv2_network *n) {
  const int64_t S = n->clip.vision.image_size;
  const vw_owlv2_picture_values v =
      vw_owlv2_picture(g, &n->clip.vision, vw_input(g, vw_shape(VW_ACT, 1, S, S, 3), "pixels"));
  vw_output(g, v.embedding, "embedding");
  vw_output(g, v.shift, "shift");
  vw_output(g, v.scale, "scale");
  vw_output(g, v.boxes, "boxes");
  vw_output(g, v.objectness, "objectness");
  return vw_graph_status(g);
}

struct vw_owlv2_encoder {
  vw_owlv2_network *n;
  vw_graph *graph;
  vw_program *program;
  bool prepared;
};

static vw_status build(vw_owlv2_encoder *e) {
  VW_TRY(vw_graph_create(&e->graph));
  VW_TRY(vw_owlv2_picture_graph(e->graph, e->n));
  VW_TRY(vw_program_create(&e->program, e->graph, e->n->clip.net.ctx, &e->n->clip.image_policy));
  return vw_weights_bind(e->n->clip.net.weights, e->program);
}

vw_status vw_owlv2_encoder_create(vw_owlv2_encoder **out, vw_owlv2_network *n) {
  vw_owlv2_encoder *e = calloc(1, sizeof *e);
  *out = NULL;
  VW_CHECK(e, VW_ERR_MEMORY, "picture encoder: out of memory");
  e->n = n;
  const vw_status st = build(e);
  if (st != VW_OK) {
    vw_owlv2_encoder_destroy(e);
    return vw_fail(st, __FILE__, __LINE__, "vw_owlv2_encoder_create");
  }
  *out = e;
  return VW_OK;
}

void vw_owlv2_encoder_destroy(vw_owlv2_encoder *e) {
  if (!e) return;
  vw_program_destroy(e->program);
  vw_graph_destroy(e->graph);
  free(e);
}

static vw_status read_output(const vw_owlv2_encoder *e, const char *name, vw_tensor shape, void *data) {
  shape.data = data;
  return vw_program_read(e->program, vw_find(e->graph, name), &shape);
}

vw_status vw_owlv2_encoder_run(vw_owlv2_encoder *e, const double *pixels, const vw_owlv2_picture_data *out) {
  const int64_t S = e->n->clip.vision.image_size, N = vw_owlv2_patches(e->n), one = 1;
  vw_tensor x = vw_shape(VW_F64, one, S, S, 3);
  x.data = (void *)(uintptr_t)pixels;
  VW_TRY(vw_program_write(e->program, vw_find(e->graph, "pixels"), &x));
  if (!e->prepared) VW_TRY(vw_program_prepare(e->program));
  e->prepared = true;
  VW_TRY(vw_program_run(e->program));
  VW_TRY(read_output(e, "embedding", vw_shape(vw_owlv2_embedding_type(e->n), one, N, e->n->clip.vision.projection),
                     out->embedding));
  VW_TRY(read_output(e, "shift", vw_shape(VW_F64, one, N, one), out->shift));
  VW_TRY(read_output(e, "scale", vw_shape(VW_F64, one, N, one), out->scale));
  VW_TRY(read_output(e, "boxes", vw_shape(VW_F64, one, N, 4), out->boxes));
  return read_output(e, "objectness", vw_shape(VW_F64, one, N, one), out->objectness);
}

/* ---- the door ---------------------------------------------------------------------------------------------------- */

static vw_status open_network(vw_network **out, const char *dir, vw_context *ctx) {
  vw_owlv2_network *n = NULL;
  const vw_status st = vw_owlv2_network_open(&n, dir, ctx);
  *out = n ? &n->clip.net : NULL;
  return st;
}

static void close_network(vw_network *n) {
  vw_owlv2_network_close(vw_owlv2_of(n));
}

static vw_status hash_network(const vw_network *n, vw_hash *hash) {
  return vw_hub_clip_hash(&((const vw_owlv2_network *)n)->clip.hub, hash);
}

static vw_status check_finite(const vw_network *n) {
  return vw_hub_clip_check_finite(&((const vw_owlv2_network *)n)->clip.hub);
}

static vw_safetensors *file_of(const vw_network *n, int64_t i) {
  const vw_hub_clip *h = &((const vw_owlv2_network *)n)->clip.hub;
  return i < h->weights.n_files ? h->weights.files[i] : NULL;
}

static vw_status share_pictures(vw_owlv2_network *n, const vw_ranks *ranks, vw_transport *transport) {
  vw_graph *g = NULL;
  vw_status st = vw_graph_create(&g);
  if (st == VW_OK) st = vw_owlv2_picture_graph(g, n);
  st = vw_agree_message(ranks, st);
  if (st == VW_OK) st = vw_weights_share(n->clip.net.weights, g, &n->clip.image_policy, ranks, transport);
  vw_graph_destroy(g);
  return st;
}

static vw_status share_network(vw_network *net, unsigned parts, const vw_ranks *ranks, vw_transport *transport) {
  vw_owlv2_network *n = vw_owlv2_of(net);
  if (parts & VW_NETWORK_STEPS) VW_TRY(vw_clip_network_share_text(&n->clip, ranks, transport));
  return parts & VW_NETWORK_PICTURES ? share_pictures(n, ranks, transport) : VW_OK;
}

const vw_network_kind vw_owlv2_kind = {.name = "owlv2",
                                       .open = open_network,
                                       .close = close_network,
                                       .hash = hash_network,
                                       .check_finite = check_finite,
                                       .file = file_of,
                                       .share = share_network,
                                       .state_layers = vw_word_state_layers,
                                       .states = vw_word_states,
                                       .bytes = sizeof(vw_owlv2_network)};

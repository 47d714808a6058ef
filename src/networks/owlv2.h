/* An OWL-v2 network opened from a hub directory on one backend, and the pass of pictures. Texts and words are CLIP's
 * (networks/clip.h): its functions take `clip`. */
#ifndef VW_NETWORKS_OWLV2_H
#define VW_NETWORKS_OWLV2_H

#include "io/hub/hub_owlv2.h"
#include "models/owlv2.h"
#include "networks/clip.h"

typedef struct vw_owlv2_network {
  vw_clip_network clip; /* vision.image_size is that of the pictures, square.size */
  vw_square square;
  double *positions; /* of the vision tower at another size than its weights', interpolated; NULL: as in the file */
} vw_owlv2_network;

extern const vw_network_kind vw_owlv2_kind;

/* The network behind the door; it must be of this kind. */
static inline vw_owlv2_network *vw_owlv2_of(vw_network *n) {
  return (vw_owlv2_network *)n;
}

/* Opens `dir`; ctx must outlive the network and keep its precision. The caller closes it. */
vw_status vw_owlv2_network_open(vw_owlv2_network **n, const char *dir, vw_context *ctx);
void vw_owlv2_network_close(vw_owlv2_network *n); /* NULL allowed */

int64_t vw_owlv2_patches(const vw_owlv2_network *n); /* of a picture */

/* What is kept of a picture with N patches. Caller's memory. */
typedef struct vw_owlv2_picture_data {
  void *embedding;       /* [N, projection] of vw_owlv2_embedding_type */
  double *shift, *scale; /* [N] each */
  double *boxes;         /* [N, 4] centre x, y, width, height in parts of the square */
  double *objectness;    /* [N] logits */
} vw_owlv2_picture_data;

/* Storage type of embeddings on the host: what pictures are computed in (fp64 for ref, fp32, or bf16). */
vw_dtype vw_owlv2_embedding_type(const vw_owlv2_network *n);
vw_dtype vw_owlv2_head_type(const vw_owlv2_network *n); /* of the other numbers: fp64 for ref, else fp32 */

/* One picture's pass as a graph: leaf pixels [1, S, S, 3]; outputs embedding, shift, scale, boxes, objectness. */
vw_status vw_owlv2_picture_graph(vw_graph *g, const vw_owlv2_network *n);

/* The same ready to run, one picture at a time: what is kept of a picture never depends on others. pixels [S, S, 3]
 * normalised. */
typedef struct vw_owlv2_encoder vw_owlv2_encoder;
vw_status vw_owlv2_encoder_create(vw_owlv2_encoder **e, vw_owlv2_network *n);
void vw_owlv2_encoder_destroy(vw_owlv2_encoder *e); /* NULL allowed */
vw_status vw_owlv2_encoder_run(vw_owlv2_encoder *e, const double *pixels, const vw_owlv2_picture_data *out);

/* Position embeddings [1 + n n, D] to those of a grid of m x m (bicubic, a = -0.75, edges repeated, corners not
 * aligned), the class token's kept: out [1 + m m, D]. */
void vw_positions_resize(const double *from, int64_t n, int64_t D, int64_t m, double *out);

#endif

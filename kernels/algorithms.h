/* Which algorithm each matrix product of a context runs, as text for plan.yaml, and how a later run is held to it.
 *
 * A GPU library has many algorithms for one product; they differ in speed and in the order of their sums, so in bits.
 * The same plan must give the same bits, so a choice is one of these, each the same in every run:
 *   - the library's first suggestion: the default, decided by the kernel set (vw_kernel_set) alone;
 *   - the fastest of a few suggestions, timed once in prepare: vw_algorithms_time, then vw_algorithms_text into the
 *     plan;
 *   - what a plan recorded: vw_algorithms_obey before the first program is prepared.
 * A new plan may start from what earlier ones on this device chose (vw_algorithms_start).
 *
 * Text: one line a product, "library key: value", all free of characters that YAML quotes, in the order of first use
 * (here in two lines):
 *
 *   cublaslt forward 1600x768x3072 bf16 bf16 f32 bias:
 *            id 66 tile 20 stages 36 split 1 reduction 0 swizzle 0 custom 0 inner 0 cluster 3
 *
 *   cudnn convolve 32x64x64x320 320 side 3 stride 1 pad 1 1 1 1: engine 62 knob 14 1 knob 21 3
 *
 * The library decides what stands behind its name. cuBLASLt's key is direction, rows x width in x width out, types of
 * factors and result, arithmetic, bias or plain. Products of one key share their algorithm. A line without the name of
 * a library is cuBLASLt's: earlier plans held no others. Backends other than cuda have nothing to choose: their text is
 * empty. */
#ifndef VW_KERNELS_ALGORITHMS_H
#define VW_KERNELS_ALGORITHMS_H
#include "kernels/op.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Whether products that are prepared from now on are timed. Has no effect after vw_algorithms_obey. */
void vw_algorithms_time(vw_context *ctx, bool on);

/* The choices made so far, "" when there are none. The caller frees *text. Errors: VW_ERR_MEMORY. */
vw_status vw_algorithms_text(const vw_context *ctx, char **text);

/* Replaces all choices by recorded ones; products that the text lacks take the library's first suggestion, so nothing
 * is timed any more. With NULL or "", every product takes the first suggestion. Preparing fails with
 * VW_ERR_UNSUPPORTED where the device or library cannot run a recorded algorithm. Errors: VW_ERR_INPUT with the number
 * of a line that is none. */
vw_status vw_algorithms_obey(vw_context *ctx, const char *text);

/* Choices of earlier plans on this device, before the first program is prepared and not after vw_algorithms_obey: a
 * product that `text` has takes its choice, others are timed as before. They are no orders: one that does not run here
 * is forgotten, and so is a line that is none. Only what a program took stands in vw_algorithms_text. Errors:
 * VW_ERR_MEMORY. */
vw_status vw_algorithms_start(vw_context *ctx, const char *text);

/* A library with choices, in kernels/cuda; only in builds with CUDA. */
typedef struct vw_algorithm_library {
  const char *name; /* in front of its lines */
  void (*time)(vw_context *ctx, bool on);
  /* Drops all choices; from now on what is recorded holds and nothing is timed. */
  vw_status (*forget)(vw_context *ctx);
  /* One recorded choice; `text` without the library's name, may be written to. Errors: VW_ERR_INPUT naming `line`. */
  vw_status (*obey)(vw_context *ctx, int line, char *text);
  /* The same to start from. Errors: VW_ERR_INPUT where the line is none. */
  vw_status (*start)(vw_context *ctx, char *text);
  /* The choices without the library's name, one a line; the caller frees *text. */
  vw_status (*text)(const vw_context *ctx, char **text);
} vw_algorithm_library;
extern const vw_algorithm_library vw_cublaslt_algorithms; /* kernels/cuda/product.cu */
extern const vw_algorithm_library vw_cudnn_algorithms;    /* kernels/cuda/cudnn.cu */

#ifdef __cplusplus
}
#endif
#endif

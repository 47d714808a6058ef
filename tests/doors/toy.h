/* A network and a task that are different from the real ones in every respect that matters to the doors: all text
 * states count instead of one, the loss needs no classes, other metrics with another headline, one concept a block,
 * judged picture by picture. Small, and no science: words are drawn towards the colours of pictures. */
#ifndef VW_TESTS_DOORS_TOY_H
#define VW_TESTS_DOORS_TOY_H

#include "io/hub/hub_clip.h"
#include "networks/prompts.h"
#include "tasks/task.h"

/* The text tower of a CLIP directory whose states, each through a matrix of its own drawn from a seed, add up to a
 * colour signature. There is no image tower. */
enum { TOY_GRID = 3, TOY_SIGNATURE = TOY_GRID * TOY_GRID * 3, TOY_STATES = 16 };
typedef struct toy_network {
  vw_network net;
  vw_hub_clip hub;
  float *mix; /* [TOY_STATES, TOY_SIGNATURE, C] */
} toy_network;
extern const vw_network_kind toy_network_kind;

/* Emits the signatures [B, TOY_SIGNATURE] of words in the one template, of unit length. */
vw_status toy_signature(vw_graph *g, const toy_network *n, const vw_prompt_sizes *s, vw_value words, vw_value row_word,
                        vw_value row_template, int64_t B, vw_value *signature);

extern const vw_task_kind toy_task_kind;

#endif

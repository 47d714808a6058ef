#include "learn/team.h"

#include "learn/backend_transport.h"

#include <stdlib.h>

vw_status vw_team_open(vw_team *t, const vw_ranks *ranks, vw_context *ctx, int64_t size) {
  const int team = (int)(ranks->rank / (size < 1 ? 1 : size));
  *t = (vw_team){.first = (int)(team * size)};
  VW_TRY(vw_transport_open(&t->talk, ranks, &(vw_transport_options){.kind = VW_TRANSPORT_MPI, .team = team}));
  VW_TRY(vw_backend_transport_open(&t->data, ranks, ctx, team));
  t->rank = vw_transport_rank(t->talk), t->size = vw_transport_size(t->talk);
  t->notes = calloc((size_t)t->size * 3, sizeof *t->notes);
  const vw_status st = t->notes ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "team: out of memory");
  for (int i = 0; t->notes && i < t->size; i++) t->notes[2 * t->size + i] = 2 * (int64_t)sizeof *t->notes;
  return vw_agree_message(ranks, st);
}

void vw_team_close(vw_team *t) {
  vw_transport_close(t->data), vw_transport_close(t->talk);
  free(t->notes);
  *t = (vw_team){0};
}

bool vw_team_is_broken(const vw_team *t) {
  return (t->talk && vw_transport_is_broken(t->talk)) || (t->data && vw_transport_is_broken(t->data));
}

vw_status vw_team_meet(vw_team *t, vw_status mine, unsigned *wants, int64_t *value) {
  if (t->ended) {
    *wants |= VW_TEAM_FAILED;
    return mine;
  }
  int64_t *note = t->notes; /* what a member wants, and its value */
  for (int i = 0; i < 2 * t->size; i++) note[i] = 0;
  note[2 * t->rank] = (int64_t)(*wants | (mine == VW_OK ? 0 : VW_TEAM_FAILED));
  note[2 * t->rank + 1] = value ? *value : 0;
  const vw_status st = vw_transport_gather(t->talk, note, note + 2 * t->size, VW_ALL_RANKS);
  for (int i = 0; i < t->size; i++) *wants |= (unsigned)note[2 * i];
  if (value) *value = note[1];
  t->ended = st != VW_OK || (*wants & VW_TEAM_FAILED) != 0;
  return mine != VW_OK ? mine : st;
}

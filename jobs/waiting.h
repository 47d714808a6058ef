/* How OpenMP's threads wait for each other. */
#ifndef VW_JOBS_WAITING_H
#define VW_JOBS_WAITING_H

/* Threads that wait shall sleep, not spin: two that spin on one core, as on a machine that others use too, take turns
 * of milliseconds at every operation of a step. OpenMP reads OMP_WAIT_POLICY when its library is loaded, before main,
 * so the program sets it and starts itself again: the same process, before MPI. It returns where the user has set
 * OMP_WAIT_POLICY, GOMP_SPINCOUNT or KMP_BLOCKTIME (as after the start), and where the program cannot find itself. */
void vw_wait_asleep(char **argv);

#endif

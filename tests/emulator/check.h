/* The emulator as a checker of launches: for networks too large to run on a host. Tests declare these weak: they are
 * there only where the emulated device is linked. */
#ifndef VW_TESTS_EMULATOR_CHECK_H
#define VW_TESTS_EMULATOR_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#else
#pragma weak vw_emulated_check_only
#pragma weak vw_emulated_launches
#pragma weak vw_emulated_products
#pragma weak vw_emulated_launch_problem
#endif

/* From now on memory of the device is reserved and never touched, copies do nothing, kernels and products are checked
 * and do not run. What a device would refuse ends the process (a launch) or fails (a product), with the reason on
 * stderr. */
void vw_emulated_check_only(bool on);

/* How many were checked so far. */
int64_t vw_emulated_launches(void);
int64_t vw_emulated_products(void);

/* Why devices of compute capability 8.0 or 9.0 refuse blocks of `threads` threads with `shared` bytes of a kernel that
 * was compiled for `bound` threads, or NULL. */
const char *vw_emulated_launch_problem(unsigned bound, unsigned blocks, unsigned threads, size_t shared);

#ifdef __cplusplus
}
#endif
#endif

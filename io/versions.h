/* The libraries behind io/, as `doctor` shows them. */
#ifndef VW_IO_VERSIONS_H
#define VW_IO_VERSIONS_H

enum { VW_LIBRARIES = 7, VW_VERSION_TEXT = 64 };

typedef struct vw_library {
  const char *name; /* static */
  char version[VW_VERSION_TEXT];
} vw_library;

/* The versions that are loaded, where a library tells, else those it was built with. Needs no MPI_Init. */
void vw_io_libraries(vw_library library[VW_LIBRARIES]);

#endif

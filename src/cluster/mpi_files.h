/* Which part of an MPI opens files: for src/cluster. */
#ifndef VW_CLUSTER_MPI_FILES_H
#define VW_CLUSTER_MPI_FILES_H

/* Call before MPI_Init. Open MPI's own part (ompio) opens a named semaphore /dev/shm/sem.OMPIO_<file> beside every
 * file, which any user of the machine can make before us and so block, and which a killed run leaves behind. Its other
 * part, ROMIO, makes none: this sets OMPI_MCA_io to the ROMIO that is installed with the MPI in use, unless the user
 * chose (mpirun --mca io, OMPI_MCA_io, a file of MCA parameters). Other MPIs have nothing to choose.
 *
 * Returns NULL, or one sentence for the user where ompio will open files because there is no ROMIO (static text). */
const char *vw_mpi_files_choose(void);

#endif

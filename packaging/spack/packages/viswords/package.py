# Apache-2.0, as the rest of this repository.
from spack.package import *


class Viswords(CMakePackage, CudaPackage):
    """Learns visual words: new embeddings with which a frozen vision-language model recognises a concept. An MPI
    program in C for thousands of words at once, after Trabucco et al. 2024 (arXiv 2406.07506)."""

    homepage = "https://arxiv.org/abs/2406.07506"
    # No release has a public address yet: name your clone with `spack develop` or `git` in a spec (packaging/README.md).
    maintainers = []

    license("Apache-2.0", checked_by="viswords")

    version("main", branch="main")

    variant("nccl", default=False, when="+cuda", description="Exchange between GPUs with NCCL")
    variant("tests", default=False, description="Build the tests")

    depends_on("c", type="build")
    depends_on("cxx", type="build", when="+cuda")
    depends_on("cmake@3.25:", type="build")
    depends_on("ninja", type="build")
    depends_on("pkgconfig", type="build")

    depends_on("mpi@3:")
    depends_on("hdf5@1.10:+mpi+hl")
    depends_on("openblas@0.3.20: threads=openmp")  # the pthread build would start threads beside OpenMP's
    depends_on("libyaml@0.2.2:")
    depends_on("jansson@2.12:")
    depends_on("cairo@1.16:+fc+ft+pdf+png+svg")
    depends_on("fontconfig@2.13:")
    depends_on("expat@2.4:")
    depends_on("xxhash@0.8:")
    depends_on("utf8proc@2.5:")
    depends_on("libjpeg-turbo@2:")
    depends_on("libpng@1.6:")
    depends_on("libwebp@1.0:")
    depends_on("cmocka@1.1.5:", when="+tests")
    depends_on("cuda@12.4:", when="+cuda")
    depends_on("nccl@2.14:", when="+nccl")

    conflicts("%gcc@:10", msg="viswords is C17 and wants GCC 11 or newer")

    generator("ninja")

    def cmake_args(self):
        args = [
            self.define_from_variant("VISWORDS_CUDA", "cuda"),
            self.define_from_variant("BUILD_TESTING", "tests"),
            self.define("MPI_C_COMPILER", self.spec["mpi"].mpicc),
            self.define("HDF5_PREFER_PARALLEL", True),
        ]
        if self.spec.satisfies("+cuda"):
            arch = self.spec.variants["cuda_arch"].value
            if "none" not in arch:
                args.append(self.define("CMAKE_CUDA_ARCHITECTURES", ";".join(arch)))
            if self.spec.satisfies("~nccl"):
                args.append(self.define("VISWORDS_NCCL", "OFF"))
        return args

    def install(self, spec, prefix):
        """The program finds slurm/ in share/viswords."""
        mkdirp(prefix.bin)
        install(join_path(self.build_directory, "viswords"), prefix.bin)
        share = join_path(prefix.share, "viswords")
        install_tree("slurm", join_path(share, "slurm"))
        install_tree("jobs/studies", join_path(share, "jobs", "studies"))
        mkdirp(join_path(share, "tools"))
        install("tools/mpirun.sh", join_path(share, "tools"))

    @run_after("install")
    @on_package_attributes(run_tests=True)
    def check_program(self):
        Executable(join_path(self.prefix.bin, "viswords"))("--version")

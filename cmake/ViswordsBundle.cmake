# What tools/bundle.sh packs: the program, and the tests that make sense without a build tree. Libraries are looked for in
# lib/ beside them, by RPATH and not RUNPATH: it also counts for the libraries of libraries.
set(bundle_tests core_test_random graph_test_graph models_test_clip models_test_owlv2 models_test_sd kernels_test_context
  kernels_test_gemm kernels_test_network_ops kernels_test_learning_ops kernels_test_picture_ops kernels_test_detection_ops
  kernels_test_diffusion_ops
  kernels_test_network_fixtures kernels_test_cuda_column kernels_test_cudnn kernels_test_algorithms analysis_test_tsne_device golden_check_study
  learn_mpi_transport)
foreach(target viswords ${bundle_tests})
  target_link_options(${target} PRIVATE -Wl,--disable-new-dtags)
endforeach()
set_target_properties(viswords PROPERTIES INSTALL_RPATH "$ORIGIN/../lib")
set_target_properties(${bundle_tests} PROPERTIES INSTALL_RPATH "$ORIGIN/../../lib")
install(TARGETS viswords RUNTIME DESTINATION libexec COMPONENT bundle)
install(TARGETS ${bundle_tests} RUNTIME DESTINATION tests/bin COMPONENT bundle)
add_custom_target(bundle_programs DEPENDS viswords ${bundle_tests})

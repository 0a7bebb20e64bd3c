# SPDX-License-Identifier: MIT
# What lets other programs find the installed library.
include(CMakePackageConfigHelpers)
set(config_folder ${CMAKE_INSTALL_LIBDIR}/cmake/anyvisor)
install(EXPORT anyvisor-targets NAMESPACE anyvisor:: DESTINATION ${config_folder})
configure_package_config_file(cmake/anyvisor-config.cmake.in ${PROJECT_BINARY_DIR}/anyvisor-config.cmake
                              INSTALL_DESTINATION ${config_folder})
# 0.x promises nothing from one minor version to the next.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/anyvisor-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/anyvisor-config.cmake ${PROJECT_BINARY_DIR}/anyvisor-config-version.cmake
        DESTINATION ${config_folder})

# Relative, so that the installed folder can be moved.
file(RELATIVE_PATH prefix_from_pc /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
configure_file(cmake/anyvisor.pc.in ${PROJECT_BINARY_DIR}/anyvisor.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/anyvisor.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

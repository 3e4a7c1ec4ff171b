# Headers, the CMake package and quanto.pc. All of it is independent of the architecture, hence share/, and of the
# prefix: an installed tree may be moved.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
  FILES_MATCHING PATTERN "*.hpp" PATTERN "*.inl")
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

install(TARGETS quanto EXPORT quanto INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
set(package_dir ${CMAKE_INSTALL_DATADIR}/cmake/quanto)
install(EXPORT quanto NAMESPACE quanto:: FILE quantoTargets.cmake DESTINATION ${package_dir})
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/quantoConfig.cmake.in quantoConfig.cmake
  INSTALL_DESTINATION ${package_dir} NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/quantoConfigVersion.cmake
  COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)  # SameMajorVersion from 1.0 on
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/quantoConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/quantoConfigVersion.cmake
  ${PROJECT_SOURCE_DIR}/cmake/compiled.cmake ${PROJECT_SOURCE_DIR}/cmake/compiled.cpp
  DESTINATION ${package_dir})

configure_file(${PROJECT_SOURCE_DIR}/cmake/quanto.pc.in quanto.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/quanto.pc DESTINATION ${CMAKE_INSTALL_DATADIR}/pkgconfig)

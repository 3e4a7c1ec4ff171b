# quanto_development: what this repository's own tests, examples and benchmarks are compiled with, and no user of the
# library is: warnings as errors, and the optional libraries that are on this machine.
if(PROJECT_IS_TOP_LEVEL)
  set(CMAKE_CXX_EXTENSIONS OFF)
  set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
  if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
  endif()
endif()

add_library(quanto_development INTERFACE)
target_link_libraries(quanto_development INTERFACE quanto::compiled)

option(QUANTO_WERROR "Warnings of this repository's own code are errors" ON)
set(QUANTO_WARNINGS -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow)
if(QUANTO_WERROR)
  list(APPEND QUANTO_WARNINGS -Werror)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC's flow analyses have false positives that come and go with the optimization level: shown, not fatal.
  foreach(analysis maybe-uninitialized array-bounds stringop-overflow stringop-overread restrict)
    list(APPEND QUANTO_WARNINGS -Wno-error=${analysis})
  endforeach()
endif()
target_compile_options(quanto_development INTERFACE ${QUANTO_WARNINGS})
target_compile_options(quanto_compiled PRIVATE ${QUANTO_WARNINGS})

find_package(Threads REQUIRED)
target_link_libraries(quanto_development INTERFACE Threads::Threads)

# xsimd by its directory only: its CMake target asks for xtl, which the headers do not need.
find_path(QUANTO_XSIMD_INCLUDE_DIR xsimd/xsimd.hpp)
if(QUANTO_XSIMD_INCLUDE_DIR)
  target_include_directories(quanto_development SYSTEM INTERFACE ${QUANTO_XSIMD_INCLUDE_DIR})
endif()
find_package(Eigen3 QUIET NO_MODULE)
if(TARGET Eigen3::Eigen)
  target_link_libraries(quanto_development INTERFACE Eigen3::Eigen)
endif()
find_package(nlohmann_json QUIET)
if(TARGET nlohmann_json::nlohmann_json)
  target_link_libraries(quanto_development INTERFACE nlohmann_json::nlohmann_json)
endif()

# Which of them are there is part of every test log.
foreach(found QUANTO_XSIMD_INCLUDE_DIR Eigen3_VERSION nlohmann_json_VERSION)
  if(NOT ${found})
    message(STATUS "quanto: without ${found}: what needs it is left out")
  endif()
endforeach()

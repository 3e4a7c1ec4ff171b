# quanto::compiled is the same library for programs of many units: its kernels and its input and output are compiled once.
# In the source tree and in the installed package.
add_library(quanto_compiled STATIC EXCLUDE_FROM_ALL ${CMAKE_CURRENT_LIST_DIR}/compiled.cpp)
add_library(quanto::compiled ALIAS quanto_compiled)
target_link_libraries(quanto_compiled PUBLIC quanto::quanto)
target_compile_definitions(quanto_compiled INTERFACE QUANTO_IMPLEMENTATION=0)

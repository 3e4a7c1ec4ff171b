# cmake "-DCOMPILE=<command>" -DPROGRAM=<file> -P must_fail.cmake
# PROGRAM starts with one or more lines `// expect: <regular expression>`; it must not compile, and the compiler's output
# must match each of them.
file(STRINGS ${PROGRAM} expectations REGEX "^// expect: ")
if(NOT expectations)
  message(FATAL_ERROR "${PROGRAM}: no line starts with `// expect: `")
endif()
execute_process(COMMAND ${CMAKE_COMMAND} -E env LC_ALL=C ${COMPILE} ${PROGRAM}
  RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(status EQUAL 0)
  message(FATAL_ERROR "${PROGRAM} compiles, and must not")
endif()
foreach(expectation IN LISTS expectations)
  string(REGEX REPLACE "^// expect: " "" expectation "${expectation}")
  if(NOT output MATCHES "${expectation}")
    message(FATAL_ERROR "${PROGRAM} fails, as it must, but not with \"${expectation}\":\n${output}")
  endif()
endforeach()

# What SCRIPT, given RULES, says of the object code of PROGRAM, or of a LIBRARY that is there already:
#     cmake -DCOMPILE=<compiler;flags> -DPROGRAM=<.cpp> -DOBJECT=<.o> -DOBJDUMP=<objdump> -DSCRIPT=<.awk>
#           -DRULES=<arguments of awk> [-DEXPECT=<a regular expression: that the script fails, and prints this>] -P
#     cmake -DLIBRARY=<.a> ...
find_program(awk NAMES awk mawk gawk)
foreach(tool OBJDUMP awk)
  if(NOT ${tool})
    message("SKIP: no ${tool} to read object code with")
    return()
  endif()
endforeach()
if(LIBRARY)
  set(OBJECT ${LIBRARY})
else()
  execute_process(COMMAND ${COMPILE} -c ${PROGRAM} -o ${OBJECT} RESULT_VARIABLE status)
  if(status)
    message(FATAL_ERROR "${PROGRAM} does not compile")
  endif()
endif()
execute_process(
  COMMAND ${OBJDUMP} -d -C --no-show-raw-insn ${OBJECT}
  COMMAND ${awk} ${RULES} -f ${SCRIPT}
  RESULTS_VARIABLE statuses OUTPUT_VARIABLE output)
message("${output}")
list(GET statuses 0 read)
list(GET statuses 1 judged)
if(read)
  message(FATAL_ERROR "${OBJDUMP} cannot read ${OBJECT}")
endif()
if(EXPECT AND NOT (judged EQUAL 1 AND output MATCHES "${EXPECT}"))
  message(FATAL_ERROR "expected: ${EXPECT}")
elseif(NOT EXPECT AND judged)
  message(FATAL_ERROR "the object code of ${OBJECT} is not what it has to be")
endif()

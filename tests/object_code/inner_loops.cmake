# cmake -DCOMPILE=<compiler;flags> -DPROGRAM=<.cpp> -DOBJECT=<.o> -DOBJDUMP=<objdump> -DRULES=<arguments of awk> -P
set(script ${CMAKE_CURRENT_LIST_DIR}/inner_loops.awk)
find_program(awk NAMES awk mawk gawk)
foreach(tool OBJDUMP awk)
  if(NOT ${tool})
    message("SKIP: no ${tool} to read object code with")
    return()
  endif()
endforeach()
execute_process(COMMAND ${COMPILE} -c ${PROGRAM} -o ${OBJECT} RESULT_VARIABLE status)
if(status)
  message(FATAL_ERROR "${PROGRAM} does not compile")
endif()
execute_process(
  COMMAND ${OBJDUMP} -d -C --no-show-raw-insn ${OBJECT}
  COMMAND ${awk} ${RULES} -f ${script}
  RESULTS_VARIABLE statuses)
foreach(status IN LISTS statuses)
  if(status)
    message(FATAL_ERROR "the inner loops of ${PROGRAM} copy or spill registers")
  endif()
endforeach()

# onnxc_add_model(NAME MODEL file.onnx [TRIPLE triple] [CPU cpu] [FLAGS ..]): a static library NAME with the model as C.
#
# Link it and include "NAME.h". The compiler is found on PATH, or given by -DONNXC=/path/to/onnxc.
find_program(ONNXC onnxc DOC "The onnxc compiler")

function(onnxc_add_model name)
  cmake_parse_arguments(M "" "MODEL;TRIPLE;CPU" "FLAGS" ${ARGN})
  if(NOT ONNXC)
    message(FATAL_ERROR "onnxc was not found: put it on PATH or say -DONNXC=/path/to/onnxc")
  endif()
  get_filename_component(model "${M_MODEL}" ABSOLUTE)
  set(folder "${CMAKE_CURRENT_BINARY_DIR}/${name}_model")
  file(MAKE_DIRECTORY "${folder}")
  set(flags ${M_FLAGS})
  if(M_TRIPLE)
    list(APPEND flags --target ${M_TRIPLE})
  endif()
  if(M_CPU)
    list(APPEND flags --target-cpu ${M_CPU})
  endif()
  add_custom_command(
    OUTPUT "${folder}/${name}.c" "${folder}/${name}.h"
    COMMAND "${ONNXC}" "${model}" -o "${folder}/${name}.c" ${flags}
    DEPENDS "${model}" "${ONNXC}"
    COMMENT "onnxc ${M_MODEL}"
    VERBATIM)
  add_library(${name} STATIC "${folder}/${name}.c")
  target_include_directories(${name} PUBLIC "${folder}")
endfunction()

# SPDX-License-Identifier: Apache-2.0
# Tests of `plainflow secrets` and of secrets that are shared. Included by tests/scripts.cmake.
if(TARGET plainflow)
  foreach(name wireshark share files wrong)
    pf_script(secrets ${name} 300 ${CMAKE_CURRENT_LIST_DIR}/${name})
  endforeach()
endif()

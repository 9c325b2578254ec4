# SPDX-License-Identifier: Apache-2.0
# Tests of the command line. Included by tests/scripts.cmake.

# tests/cli/test_MODULE.c: the parts of src/cli without its main
file(GLOB cli_tests CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/test_*.c)
set(cli_parts ${PROJECT_SOURCE_DIR}/src/cli)
foreach(source ${cli_tests})
  get_filename_component(name ${source} NAME_WE)
  add_executable(${name} ${source} ${cli_parts}/cli.c ${cli_parts}/options.c ${cli_parts}/report.c)
  target_include_directories(${name} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE pf_run PkgConfig::CMOCKA)
  add_test(NAME cli.${name} COMMAND ${name})
  set_tests_properties(cli.${name} PROPERTIES LABELS cli TIMEOUT 60)
endforeach()

add_executable(fake_result ${CMAKE_CURRENT_LIST_DIR}/fake_result.c)
target_include_directories(fake_result PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
target_link_libraries(fake_result PRIVATE pf_store PkgConfig::CMOCKA)

if(TARGET plainflow)
  pf_script(cli reading 120 ${CMAKE_CURRENT_LIST_DIR}/reading)
  set_property(TEST cli.reading APPEND PROPERTY ENVIRONMENT FAKE_RESULT=$<TARGET_FILE:fake_result>)
endif()

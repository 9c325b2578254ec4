# SPDX-License-Identifier: Apache-2.0
# Tests that are scripts. A script that lacks something it needs says so and is skipped (77).

# pf_script(LABEL NAME SECONDS COMMAND...): one ctest named LABEL.NAME
function(pf_script label name seconds)
  add_test(NAME ${label}.${name} COMMAND ${ARGN})
  set_tests_properties(${label}.${name} PROPERTIES
    LABELS ${label} TIMEOUT ${seconds} SKIP_RETURN_CODE 77)
  # A finding must not look like an exit status of the program.
  set_property(TEST ${label}.${name} APPEND PROPERTY ENVIRONMENT
    ASAN_OPTIONS=exitcode=99 UBSAN_OPTIONS=exitcode=99:print_stacktrace=1
    TSAN_OPTIONS=exitcode=99:halt_on_error=1 LSAN_OPTIONS=exitcode=99)
  if(TARGET plainflow)
    set_property(TEST ${label}.${name} APPEND PROPERTY
      ENVIRONMENT PLAINFLOW=$<TARGET_FILE:plainflow>)
  endif()
  if(TARGET plainflow-forge)
    set_property(TEST ${label}.${name} APPEND PROPERTY
      ENVIRONMENT PLAINFLOW_FORGE=$<TARGET_FILE:plainflow-forge>)
  endif()
endfunction()

# ---- the house rules

pf_script(lint floors 60 ${PROJECT_SOURCE_DIR}/tools/check_floors --long)
pf_script(lint floors_self_test 60 ${PROJECT_SOURCE_DIR}/tools/check_floors --self-test)
pf_script(lint scripts 120 ${CMAKE_CURRENT_SOURCE_DIR}/lint/scripts)
pf_script(lint man 60 ${CMAKE_CURRENT_SOURCE_DIR}/lint/man)

# ---- the whole program

if(TARGET plainflow)
  foreach(name apache_walk apache_resume nginx_walk suites extensions starttls
      keylog_tls12 keylog_tls13 keylog_gnutls keylog_web keylog_nss keylog_chromium)
    pf_script(interop ${name} 300 ${CMAKE_CURRENT_SOURCE_DIR}/interop/${name})
  endforeach()
  foreach(name usage captures keys output signals)
    pf_script(cli ${name} 120 ${CMAKE_CURRENT_SOURCE_DIR}/cli/${name})
  endforeach()
  foreach(part workers carriers waiting)
    pf_script(pipeline determinism_${part} 600
      ${CMAKE_CURRENT_SOURCE_DIR}/pipeline/determinism ${part})
  endforeach()
  pf_script(pipeline shards 120 ${CMAKE_CURRENT_SOURCE_DIR}/pipeline/shards)
  foreach(name each_packet bursts damaged handshake long_gap midflow one_side replaced stable
          workers)
    pf_script(gaps ${name} 180 ${CMAKE_CURRENT_SOURCE_DIR}/gaps/${name})
  endforeach()
  if(NOT PF_SANITIZE) # sanitizers allocate for themselves
    pf_script(pipeline memory 600 ${CMAKE_CURRENT_SOURCE_DIR}/pipeline/memory)
    add_library(failalloc SHARED nomem/failalloc.c)
    target_link_libraries(failalloc PRIVATE pf_flags)
    pf_script(nomem allocations 300 ${CMAKE_CURRENT_SOURCE_DIR}/nomem/allocations)
    set_property(TEST nomem.allocations APPEND PROPERTY
      ENVIRONMENT PF_FAILALLOC=$<TARGET_FILE:failalloc>)
  endif()
  # ---- what 64 processors would wait for, counted with fewer

  if(NOT PF_SANITIZE) # sanitizers have locks of their own
    add_library(lockcount SHARED sharing/locks.c)
    target_link_libraries(lockcount PRIVATE pf_flags)
    pf_script(sharing locks 300 ${CMAKE_CURRENT_SOURCE_DIR}/sharing/locks)
    set_property(TEST sharing.locks APPEND PROPERTY
      ENVIRONMENT PF_LOCKCOUNT=$<TARGET_FILE:lockcount>)
  endif()
  if(TARGET plainflow_lines)
    pf_script(sharing lines 300 ${CMAKE_CURRENT_SOURCE_DIR}/sharing/lines)
    set_property(TEST sharing.lines APPEND PROPERTY ENVIRONMENT
      PF_LINES_PROGRAM=$<TARGET_FILE:plainflow_lines> PF_LINES_CHECK=$<TARGET_FILE:lines_check>)
  endif()
  foreach(part events chunks)
    pf_script(overlap ${part} 300 ${CMAKE_CURRENT_SOURCE_DIR}/overlap/overlap ${part})
  endforeach()
  if(NOT PF_SANITIZE) # sanitizers cost most where memory is touched
    pf_script(overlap cost 600 ${CMAKE_CURRENT_SOURCE_DIR}/overlap/cost)
    # By hand: all suites, and at most twice the time.
    pf_script(gaps cost 600 ${CMAKE_CURRENT_SOURCE_DIR}/gaps/cost 3 ChaCha 2.5)
  endif()
  pf_script(pipeline locked_protocols 60
    ${CMAKE_CURRENT_SOURCE_DIR}/pipeline/locked_protocols)
  pf_script(pipeline secrets_on_the_way 300
    ${CMAKE_CURRENT_SOURCE_DIR}/pipeline/secrets_on_the_way)
  pf_script(corpus third_party 900 ${CMAKE_CURRENT_SOURCE_DIR}/corpus/run)
  foreach(name forged third_party)
    pf_script(handshakes ${name} 300 ${CMAKE_CURRENT_SOURCE_DIR}/handshakes/${name})
  endforeach()
endif()

include(cli/cli.cmake)
include(secrets/secrets.cmake)

# ---- the sanitizer builds, as stages of the release build's suite (tools/test)

# pf_stage(PRESET LABEL...): the tests with these labels in build/PRESET
function(pf_stage preset)
  foreach(label ${ARGN})
    add_test(NAME ${preset}.${label} COMMAND ${CMAKE_CTEST_COMMAND}
      --test-dir ${CMAKE_BINARY_DIR}/../${preset} -L ^${label}$ --no-tests=error --output-on-failure)
    set_tests_properties(${preset}.${label} PROPERTIES LABELS stage TIMEOUT 1200)
  endforeach()
endfunction()

set(PF_STAGES "" CACHE STRING "sanitizer presets whose tests are part of this build's suite")
if(NOT PF_SANITIZE)
  if("asan" IN_LIST PF_STAGES)
    pf_stage(asan unit fuzz pipeline corpus cli handshakes)
  endif()
  if("tsan" IN_LIST PF_STAGES)
    pf_stage(tsan unit pipeline)
  endif()
endif()

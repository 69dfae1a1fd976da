include(GoogleTest)

# consortium_test(NAME SOURCES a.cpp b.cpp LIBRARIES x y [TIMEOUT seconds])
# One GoogleTest program; every case is a ctest of its own.
function(consortium_test name)
    cmake_parse_arguments(arg "" "TIMEOUT" "SOURCES;LIBRARIES" ${ARGN})
    if(NOT arg_TIMEOUT)
        set(arg_TIMEOUT 120)
    endif()
    add_executable(${name} ${arg_SOURCES})
    target_link_libraries(${name} PRIVATE consortium_options ${arg_LIBRARIES} GTest::gtest_main rapidcheck_gtest)
    target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR}/tests)
    gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST PROPERTIES TIMEOUT ${arg_TIMEOUT} LABELS unit)
endfunction()

include(GoogleTest)

# consortium_test(NAME [THREADS] SOURCES a.cpp b.cpp LIBRARIES x y [TIMEOUT seconds])
# One GoogleTest program; every case is a ctest of its own. THREADS: what it tests has several, so that ThreadSanitizer
# looks at it too.
function(consortium_test name)
    cmake_parse_arguments(arg "THREADS" "TIMEOUT" "SOURCES;LIBRARIES" ${ARGN})
    if(NOT arg_TIMEOUT)
        set(arg_TIMEOUT 120)
    endif()
    add_executable(${name} ${arg_SOURCES})
    target_link_libraries(${name} PRIVATE consortium_options ${arg_LIBRARIES} GTest::gtest_main rapidcheck_gtest)
    target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR}/tests)
    set(label unit)
    if(arg_THREADS)
        set(label threads)
        add_dependencies(threaded_tests ${name})
    endif()
    # A program with sanitizers takes its time to list its tests when the machine is busy.
    gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60 PROPERTIES TIMEOUT ${arg_TIMEOUT} LABELS ${label})
endfunction()

# cmake -DCOMPILER=… -DINCLUDES=a;b -DFLAGS=… -DDIR=… -P must_not_compile.cmake
# Compiles two units with the relay's own include directories: sealing must pass, opening must fail for want of the header.
set(arguments)
foreach(directory IN LISTS INCLUDES)
    if(directory)
        list(APPEND arguments -I${directory})
    endif()
endforeach()
execute_process(COMMAND ${COMPILER} -std=c++23 -fsyntax-only ${arguments} ${DIR}/includes_sealing.cpp
    RESULT_VARIABLE control ERROR_VARIABLE text)
if(NOT control EQUAL 0)
    message(FATAL_ERROR "The control unit does not compile, so this test says nothing:\n${text}")
endif()
execute_process(COMMAND ${COMPILER} -std=c++23 -fsyntax-only ${arguments} ${DIR}/includes_decryption.cpp
    RESULT_VARIABLE wanted ERROR_VARIABLE text)
if(wanted EQUAL 0)
    message(FATAL_ERROR "With the relay's include directories end-to-end decryption can be included.")
endif()
if(NOT text MATCHES "consortium/e2ee/bundle.hpp' file not found")
    message(FATAL_ERROR "It fails for another reason:\n${text}")
endif()

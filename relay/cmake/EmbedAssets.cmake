# cmake -DASSETS=DIR -DOUTPUT=FILE.cpp -P EmbedAssets.cmake
# Writes a source file that holds every file below ASSETS, and a gzip of what gets smaller by it.
cmake_minimum_required(VERSION 3.25)
file(GLOB_RECURSE paths LIST_DIRECTORIES false RELATIVE ${ASSETS} ${ASSETS}/*)
list(FILTER paths EXCLUDE REGEX "\\.gz$")
list(SORT paths)
if(NOT "index.html" IN_LIST paths)
    message(FATAL_ERROR "${ASSETS} holds no index.html")
endif()

set(sections "")
set(declarations "")
set(entries "")
set(index 0)
function(embed name path)
    string(APPEND sections "consortium_${name}:\n.incbin \"${path}\"\nconsortium_${name}_end:\n.byte 0\n")
    string(APPEND sections ".global consortium_${name}\n.global consortium_${name}_end\n")
    string(APPEND declarations "extern const char consortium_${name}[];\nextern const char consortium_${name}_end[];\n")
    set(sections "${sections}" PARENT_SCOPE)
    set(declarations "${declarations}" PARENT_SCOPE)
endfunction()
foreach(path IN LISTS paths)
    set(file ${ASSETS}/${path})
    # The hash makes the compiler's cache notice that a file has changed.
    file(SHA256 ${file} hash)
    file(SIZE ${file} size)
    embed(asset_${index} ${file})
    set(packed "std::string_view()")
    if(path MATCHES "\\.(html|js|css|json|svg|webmanifest|txt)$" AND size GREATER 1024)
        execute_process(COMMAND gzip -9 -n -c ${file} OUTPUT_FILE ${file}.gz COMMAND_ERROR_IS_FATAL ANY)
        file(SIZE ${file}.gz packed_size)
        if(packed_size LESS size)
            embed(packed_${index} ${file}.gz)
            set(packed "{consortium_packed_${index}, consortium_packed_${index}_end}")
        endif()
    endif()
    string(APPEND entries "    // ${hash}\n    {\"/${path}\", {consortium_asset_${index}, consortium_asset_${index}_end}, ${packed}},\n")
    math(EXPR index "${index} + 1")
endforeach()

file(CONFIGURE OUTPUT ${OUTPUT} @ONLY CONTENT [==[// Made by relay/cmake/EmbedAssets.cmake.
#include "assets.hpp"

__asm__(R"(
.section .rodata
@sections@
.previous
)");
extern "C"
{
@declarations@}

namespace consortium::relay
{

std::span<const embedded_file> embedded_files()
{
    static const embedded_file files[] = {
@entries@    };
    return files;
}

} // namespace consortium::relay
]==])

# Flags of our own sources; libraries of others are SYSTEM and unaffected.
add_library(consortium_options INTERFACE)
target_compile_options(consortium_options INTERFACE
    -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wnon-virtual-dtor -Wthread-safety -Wno-c23-extensions)
if(CONSORTIUM_WERROR)
    target_compile_options(consortium_options INTERFACE -Werror)
endif()

# Asio and Beast are compiled once, in net/: every translation unit must agree on that.
add_compile_definitions(BOOST_ASIO_SEPARATE_COMPILATION BOOST_BEAST_SEPARATE_COMPILATION BOOST_ASIO_NO_DEPRECATED)
add_compile_definitions(CONSORTIUM_VERSION="${PROJECT_VERSION}")

if(CONSORTIUM_SANITIZE)
    add_compile_options(-fsanitize=${CONSORTIUM_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
    add_link_options(-fsanitize=${CONSORTIUM_SANITIZE})
endif()
if(CONSORTIUM_FUZZ)
    add_compile_options(-fsanitize=fuzzer-no-link)
endif()

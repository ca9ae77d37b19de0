# One place for warnings. They become errors in the presets, so that a newer compiler never breaks a plain build.
add_library(tidesync_warnings INTERFACE)
target_compile_options(tidesync_warnings INTERFACE -Wall -Wextra -Wconversion -Wshadow)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # GCC 12 reports accesses inside inlined std::string code that do not happen (GCC bug 105329 and relatives).
    target_compile_options(tidesync_warnings INTERFACE -Wno-restrict -Wno-maybe-uninitialized)
else()
    # GCC gives it inside Asio, for coroutines.
    target_compile_options(tidesync_warnings INTERFACE -Wzero-as-null-pointer-constant)
endif()

# Headers that most files read, read once: half of the time that the sanitizers' builds and clang-tidy take. The
# release binary is built without, which finds a file that leans on an include it does not write.
#   tidesync_precompile(<target> [<header>...])
function(tidesync_precompile target)
    if(TIDESYNC_PRECOMPILE)
        target_precompile_headers(${target} PRIVATE
            <algorithm> <chrono> <functional> <map> <optional> <string> <thread> <vector>
            <fmt/format.h> <fmt/ranges.h> <nlohmann/json.hpp> <pqxx/pqxx> ${ARGN})
        target_link_libraries(${target} PRIVATE PkgConfig::PQXX) # libpqxx 7: who reads its headers needs its variables
    endif()
endfunction()

#pragma once

// Debian 12 ships Catch2 v2, Debian 13 and newer v3. The tests use what both have.
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

namespace tidesync::tests {

/// A matcher that the two versions name differently.
#if __has_include(<catch2/catch_all.hpp>)
inline auto containing(const std::string& text) { return Catch::Matchers::ContainsSubstring(text); }
#else
inline auto containing(const std::string& text) { return Catch::Contains(text); }
#endif

} // namespace tidesync::tests

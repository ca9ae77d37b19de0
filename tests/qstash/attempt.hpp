#pragma once

#include "qstash/verify.hpp"
#include "tests/qstash/vectors.hpp"

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

/// What the tests of `verify` share: one delivery that is genuine, and short ways to ask what became of it.
namespace tidesync::qstash::testing {

using namespace std::chrono_literals;

inline const std::vector<signing_key> both_keys{{"current", std::string(current_key)}, {"next", std::string(next_key)}};

/// A delivery of v1 that is genuine; a test changes what it is about. No tolerance, so that limits are exact.
struct attempt {
    std::string token{v1.token};
    std::string body{v1.body};
    std::vector<signing_key> keys = both_keys;
    std::vector<std::string> urls{std::string(v1.url)};
    std::chrono::sys_seconds now = vectors_iat + 1s;
    verify_settings settings{.clock_tolerance = 0s};
};

inline verification check(const attempt& a) { return verify({a.token, a.body}, a.keys, a.urls, a.now, a.settings); }

/// The name of the verdict: it reads better in a failed test, and the names are part of the promise.
inline std::string why(const attempt& a) { return std::string(to_string(check(a).result)); }

inline std::string why_claims(const raw_claims& claims) { return why({.token = forge(claims.text())}); }

inline std::string in_quotes(std::string_view text) { return '"' + std::string(text) + '"'; }

inline std::string with_header(std::string_view header) { return forge(raw_claims{}.text(), header); }

/// A part of v1's token, counted from 0.
inline std::string part(int index) {
    std::string token(v1.token);
    for (; index > 0; --index) token.erase(0, token.find('.') + 1);
    return token.substr(0, token.find('.'));
}

} // namespace tidesync::qstash::testing

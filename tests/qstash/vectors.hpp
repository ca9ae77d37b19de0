#pragma once

#include "qstash/base64url.hpp"
#include "qstash/digest.hpp"

#include <chrono>
#include <string>
#include <string_view>

/// Tokens made outside this repository and accepted by the official receiver (qstash-js 2.12.0), and a forge for those
/// that QStash would never make.
namespace tidesync::qstash::testing {

// The public development keys of QStash: the only ones that may stand in a repository.
constexpr std::string_view current_key = "sig_7kYjw48mhY7kAjqNGcy6cr29RJ6r";
constexpr std::string_view next_key = "sig_5ZB6DVzB1wjE8S6rZ7eenA8Pdnhs";

constexpr std::chrono::sys_seconds vectors_iat{std::chrono::seconds{1735689600}};
constexpr std::chrono::sys_seconds vectors_exp{std::chrono::seconds{1735689900}};

struct known_token {
    std::string_view key, url, body, jti, token;
};

/// Unpadded hash, `nbf` equal to `iat`.
constexpr known_token v1{
    current_key, "https://worker.example.com/jobs/nightly-report", R"({"job":"nightly-report","n":1})", "jwt_vector1",
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."
    "eyJpc3MiOiJVcHN0YXNoIiwic3ViIjoiaHR0cHM6Ly93b3JrZXIuZXhhbXBsZS5jb20vam9icy9uaWdodGx5LXJlcG9ydCIsImV4cCI6MTczNTY4OT"
    "kw"
    "MCwibmJmIjoxNzM1Njg5NjAwLCJpYXQiOjE3MzU2ODk2MDAsImp0aSI6Imp3dF92ZWN0b3IxIiwiYm9keSI6Ikpid3BJbXlXa2Joa0pUWGU1Mnl5M0"
    "ll"
    "OVY0UGZCM1E4RDQydG9CWDlxc1EifQ."
    "cUc7LDYtRWIoytR9RHZWlYPUoX4zj0f49n5n6lN-h4Y"};

/// Signed with the next key, no body, padded hash, `nbf` 0.
constexpr known_token v2{
    next_key, "http://127.0.0.1:9000/jobs/ping", "", "jwt_vector2",
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."
    "eyJpc3MiOiJVcHN0YXNoIiwic3ViIjoiaHR0cDovLzEyNy4wLjAuMTo5MDAwL2pvYnMvcGluZyIsImV4cCI6MTczNTY4OTkwMCwibmJmIjowLCJpYX"
    "Qi"
    "OjE3MzU2ODk2MDAsImp0aSI6Imp3dF92ZWN0b3IyIiwiYm9keSI6IjQ3REVRcGo4SEJTYS1fVEltVy01SkNldVFlUmttNU5NcEpXWkczaFN1RlU9In"
    "0."
    "fmPkkCHDr8I-784Yg0xXX5vKbFmuiqH4Rr3opuKx1Uc"};

/// A body that is not ASCII, with line break, tab and quotes; a query with an escaped space; padded hash, `nbf` 0.
constexpr known_token v3{
    current_key, "https://worker.example.com/hook?tenant=a%20b&x=1", "na\xc3\xafve \xe2\x98\x95 line1\nline2\t\"q\"",
    "jwt_vector3",
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."
    "eyJpc3MiOiJVcHN0YXNoIiwic3ViIjoiaHR0cHM6Ly93b3JrZXIuZXhhbXBsZS5jb20vaG9vaz90ZW5hbnQ9YSUyMGImeD0xIiwiZXhwIjoxNzM1Nj"
    "g5"
    "OTAwLCJuYmYiOjAsImlhdCI6MTczNTY4OTYwMCwianRpIjoiand0X3ZlY3RvcjMiLCJib2R5IjoicnVXdTc5SnM2VmlfdzJqeVV5OVI1TWtLellidH"
    "RY"
    "ODRVaEZVY0FndkhrTT0ifQ."
    "h-5bDTOAY_nOPG06ygBFYfpjTUdrBUpJjd0iMM-meL8"};

constexpr std::string_view hs256_header = R"({"alg":"HS256","typ":"JWT"})";

/// The claims as raw JSON values, so that a test can write one that no serializer would. Empty: the claim is left out.
struct raw_claims {
    std::string iss = R"("Upstash")";
    std::string sub = R"("https://worker.example.com/jobs/nightly-report")";
    std::string exp = "1735689900";
    std::string nbf = "0";
    std::string iat = "1735689600";
    std::string jti = R"("jwt_forged")";
    std::string body = R"("JbwpImyWkbhkJTXe52yy3Ie9V4PfB3Q8D42toBX9qsQ=")";
    std::string more = {}; // further members, ready to follow a comma

    [[nodiscard]] std::string text() const {
        std::string object;
        const auto add = [&](std::string_view name, const std::string& value) {
            if (value.empty()) return;
            object += object.empty() ? "{" : ",";
            object.append("\"").append(name).append("\":").append(value);
        };
        add("iss", iss), add("sub", sub), add("exp", exp), add("nbf", nbf), add("iat", iat), add("jti", jti);
        add("body", body);
        return object + (more.empty() ? "" : "," + more) + "}";
    }
};

/// Signs any header and claims with HMAC-SHA256, whatever the header says.
inline std::string
forge(std::string_view claims, std::string_view header = hs256_header, std::string_view key = current_key) {
    auto token = base64url::encode(header) + '.' + base64url::encode(claims);
    return token + '.' + base64url::encode(hmac_sha256(key, token));
}

} // namespace tidesync::qstash::testing

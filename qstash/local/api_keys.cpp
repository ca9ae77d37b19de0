#include "qstash/local/api_calls.hpp"

#include "qstash/local/random_id.hpp"

namespace tidesync::qstash::local {

namespace {

constexpr int key_letters = 28;

response keys_response(const keys_of_account& keys) {
    return json_response(200, {{"current", keys.current}, {"next", keys.next}});
}

} // namespace

response get_keys(const api_context& in) { return keys_response(in.stored.read_keys(in.account)); }

response rotate_keys(const api_context& in) {
    return keys_response(in.stored.rotate_keys(in.account, random_id("sig_", key_letters), in.now()));
}

} // namespace tidesync::qstash::local

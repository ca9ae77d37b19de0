#include "tests/catch.hpp"
#include "worker/setup_message.hpp"

using namespace tidesync;
using namespace tidesync::tests;
using namespace tidesync::worker;

namespace {

qstash::log_entry entry(const std::string& state, int status = 0, const std::string& error = {}) {
    qstash::log_entry result;
    result.state = state;
    result.response_status = status;
    result.error = error;
    return result;
}

settings configured() {
    settings values;
    values.public_url = "https://sync.example.com";
    return values;
}

} // namespace

TEST_CASE("the advice for a lost message follows from what QStash wrote down", "[worker][setup]") {
    struct one {
        std::vector<qstash::log_entry> log;
        const char* expected;
    };
    const one cases[] = {
        {{}, "has not delivered it yet"},
        {{entry("CREATED"), entry("ACTIVE")}, "has not delivered it yet"},
        {{entry("FAILED"), entry("ERROR", 401), entry("CREATED")}, "signing keys"},
        {{entry("ERROR", 404)}, "the proxy must pass the path on"},
        {{entry("ERROR", 503)}, "HTTP 503 came from https://sync.example.com"},
        {{entry("DELIVERED", 200)}, "not this worker"},
        {{entry("DELIVERED")}, "not this worker"},
        {{entry("FAILED"), entry("ERROR", 0, "dial tcp: no such host")}, "public DNS"}};
    for (const auto& one : cases) {
        CAPTURE(one.expected);
        CHECK_THAT(advice(one.log, configured()), containing(one.expected));
    }
}

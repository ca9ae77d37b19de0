#include "tests/catch.hpp"
#include "worker/setup_keys.hpp"

using namespace tidesync;
using namespace tidesync::tests;
using namespace tidesync::worker;

namespace {

/// `ok`, `note` or `wrong` and the text, a line each.
std::string found(const std::vector<qstash::signing_key>& ours) {
    std::string text;
    for (const auto& line : compare_signing_keys(ours, {"sig_current", "sig_next"}))
        text += std::string{to_string(line.how)} + " " + line.text + "; " + line.remedy + "\n";
    return text;
}

} // namespace

TEST_CASE("the account's own keys are right", "[worker][setup]") {
    CHECK(
        found({{"current", "sig_current"}, {"next", "sig_next"}}) ==
        "ok signing keys current and next are the account's; \n");
}

TEST_CASE("keys that were rotated once still work and are to be copied anew", "[worker][setup]") {
    const auto said = found({{"current", "sig_before"}, {"next", "sig_current"}});
    CHECK_THAT(said, containing("warning signing keys current and next: the keys were rotated once"));
    CHECK_THAT(said, containing("restart the worker"));
    CHECK_THAT(found({{"current", "sig_next"}, {"next", "sig_current"}}), containing("note") && containing("place"));
    CHECK_THAT(
        found({{"current", "sig_current"}, {"next", "sig_other"}}), containing("note") && containing("only one"));
}

TEST_CASE("keys of which none is the account's are wrong, and not shown", "[worker][setup]") {
    const auto said = found({{"current", "sig_c"}, {"next", "sig_n"}, {"us-east-1/current", "sig_a"}});
    CHECK_THAT(said, containing("problem none of the signing keys"));
    CHECK(said.find("sig_") == std::string::npos);
    CHECK_THAT(found({}), containing("problem"));
    CHECK_THAT(found({{"current", ""}, {"next", ""}}), containing("problem"));
}

TEST_CASE("of several regions' keys one pair has to be the account's", "[worker][setup]") {
    CHECK(
        found(
            {{"us-east-1/current", "sig_a"},
             {"us-east-1/next", "sig_b"},
             {"eu-central-1/current", "sig_current"},
             {"eu-central-1/next", "sig_next"}}) ==
        "note signing keys us-east-1/current and us-east-1/next were not compared: another region's; \n"
        "ok signing keys eu-central-1/current and eu-central-1/next are the account's; \n");
    // A pair is weighed as one: the current key of one region and the next one of another are no pair.
    CHECK_THAT(
        found({{"current", "sig_before"}, {"next", "sig_current"}, {"us-east-1/current", "sig_x"}}),
        containing("rotated once") && containing("us-east-1/next were not compared"));
}

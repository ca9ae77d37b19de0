#include "worker/setup_keys.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <string_view>

namespace tidesync::worker {

namespace {

struct pair_of_keys {
    std::string region; ///< with its slash; empty for the pair without one
    qstash::key_pair values{};

    [[nodiscard]] bool has(const std::string& key) const {
        return !key.empty() && (key == values.current || key == values.next);
    }
    [[nodiscard]] bool matches(const qstash::key_pair& theirs) const { return has(theirs.current) || has(theirs.next); }
    [[nodiscard]] std::string names() const { return fmt::format("signing keys {0}current and {0}next", region); }
};

std::vector<pair_of_keys> pairs_of(const std::vector<qstash::signing_key>& keys) {
    std::vector<pair_of_keys> pairs;
    for (const auto& key : keys) {
        const auto name_at = key.label.rfind('/') + 1; // 0 without a slash
        const auto region = key.label.substr(0, name_at);
        auto found = std::ranges::find(pairs, region, &pair_of_keys::region);
        if (found == pairs.end()) found = pairs.insert(pairs.end(), {.region = region});
        (key.label.substr(name_at) == "current" ? found->values.current : found->values.next) = key.value;
    }
    return pairs;
}

check weighed(const pair_of_keys& ours, const qstash::key_pair& theirs) {
    const auto& [current, next] = ours.values;
    if (current == theirs.current && next == theirs.next)
        return {check::state::ok, fmt::format("{} are the account's", ours.names()), {}};
    if (current == theirs.next && next == theirs.current)
        return {
            check::state::note, fmt::format("{} are the account's, each in the other's place", ours.names()),
            "put each in its own place, then restart the worker"};
    if (next == theirs.current) // deliveries pass until the next rotation
        return {
            check::state::warning, fmt::format("{}: the keys were rotated once", ours.names()),
            "copy both from the QStash console, then restart the worker"};
    return {
        check::state::note, fmt::format("of {}, only one is the account's", ours.names()),
        "copy both from the QStash console, then restart the worker"};
}

} // namespace

std::vector<check> compare_signing_keys(const std::vector<qstash::signing_key>& ours, const qstash::key_pair& theirs) {
    const auto pairs = pairs_of(ours);
    const auto matches = [&](const pair_of_keys& pair) { return pair.matches(theirs); };
    if (std::ranges::none_of(pairs, matches))
        return {
            {check::state::problem, "none of the signing keys is one of the account that QSTASH_TOKEN belongs to",
             "copy both signing keys from the QStash console, of the same account and region as the token"}};
    std::vector<check> lines;
    lines.reserve(pairs.size());
    for (const auto& pair : pairs)
        lines.push_back(
            matches(pair)
                ? weighed(pair, theirs)
                : check{check::state::note, fmt::format("{} were not compared: another region's", pair.names()), {}});
    return lines;
}

} // namespace tidesync::worker

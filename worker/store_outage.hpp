#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace tidesync::worker {

/// A run store that is away is one event for each loop that asks it, whatever the number of turns it misses: logged
/// when it begins, once a minute while it lasts, and when it is over. One thread each.
class store_outage {
public:
    void goes_on(std::string_view what, const std::string& error);
    void ends();

private:
    std::optional<std::chrono::steady_clock::time_point> since_;
    std::chrono::steady_clock::time_point said_;
};

} // namespace tidesync::worker

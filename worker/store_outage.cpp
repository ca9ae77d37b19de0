#include "worker/store_outage.hpp"

#include "worker/log.hpp"

#include <nlohmann/json.hpp>

namespace tidesync::worker {

namespace {

using clock = std::chrono::steady_clock;

constexpr std::chrono::minutes say_again_every{1};

} // namespace

void store_outage::goes_on(std::string_view what, const std::string& error) {
    const auto now = clock::now();
    const bool begins = !since_;
    if (begins) since_ = now;
    if (!begins && now - said_ < say_again_every) return;
    said_ = now;
    log::event(log::level::warn, "run store did not answer", {{"while", std::string{what}}, {"error", error}});
}

void store_outage::ends() {
    if (!since_) return;
    const auto away = std::chrono::duration_cast<std::chrono::seconds>(clock::now() - *since_);
    log::event(log::level::info, "run store answers again", {{"away_s", away.count()}});
    since_.reset();
}

} // namespace tidesync::worker

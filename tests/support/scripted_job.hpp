#pragma once

#include "jobs/job.hpp"

#include <atomic>
#include <functional>
#include <string_view>

namespace tidesync::tests {

/// A job that does what the test says. Stands in for real ones, which cannot fail on demand.
class scripted_job final : public jobs::job {
public:
    std::function<jobs::result(const jobs::run_context&)> script = [](const auto&) { return jobs::result{}; };
    std::function<jobs::settlement()> found = [] { return jobs::nothing_done{}; }; ///< by a last look
    std::atomic<int> calls = 0;

    [[nodiscard]] std::string_view name() const override { return "scripted"; }
    [[nodiscard]] jobs::result check(const jobs::run_context&) override { return {}; }
    [[nodiscard]] jobs::result sync(const jobs::run_context& run, jobs::sync_mode) override {
        ++calls;
        return script(run);
    }
    [[nodiscard]] jobs::settlement settle(const jobs::run_context&) override { return found(); }
};

} // namespace tidesync::tests

#include "worker/start.hpp"

#include "worker/migrate.hpp"

#include <array>
#include <fmt/format.h>
#include <random>
#include <unistd.h>

namespace tidesync::worker {

std::optional<settings> load_or_explain(purpose what_for, const command& command) {
    auto loaded = load_settings(process_environment(), what_for, command.config_file, command.insecure_dev);
    if (loaded.problems.empty()) return std::move(loaded.values);
    fmt::print(stderr, "tidesync: {} to put right:\n", loaded.problems.size() == 1 ? "one setting" : "settings");
    for (const auto& problem : loaded.problems) fmt::print(stderr, "  {}\n", problem);
    for (const auto& note : loaded.notes) fmt::print(stderr, "  note: {}\n", note);
    return std::nullopt;
}

bool schemas_are_there(const settings& settings) {
    bool good = true;
    for (const auto& [where, part] :
         {std::pair{settings.production, schema_part::production},
          std::pair{settings.run_store, schema_part::run_store}}) {
        if (!where.given()) continue;
        const auto missing = missing_schema(where, part);
        if (missing.empty()) continue;
        fmt::print(stderr, "tidesync: {}\n", missing);
        good = false;
    }
    return good;
}

std::string process_name() {
    std::array<char, 256> host{};
    gethostname(host.data(), host.size() - 1);
    std::random_device random;
    return fmt::format("{}/{}/{:08x}", host.data(), getpid(), random());
}

} // namespace tidesync::worker

#include "worker/log.hpp"

#include "worker/utc.hpp"

#include <chrono>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace tidesync::worker::log {

namespace {

style chosen_style = style::human;

spdlog::logger& sink() {
    static const auto logger = [] {
        auto made = std::make_shared<spdlog::logger>("tidesync", std::make_shared<spdlog::sinks::stderr_sink_mt>());
        made->set_pattern("%v");
        made->flush_on(spdlog::level::info);
        return made;
    }();
    return *logger;
}

std::string_view word(level l) {
    switch (l) {
    case level::info:
        return "info";
    case level::warn:
        return "warn";
    case level::error:
        return "error";
    }
    return "error";
}

/// Replaces what is not UTF-8, keeps control characters escaped: one event stays one line.
std::string dumped(const nlohmann::json& value) {
    return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string json_line(level l, std::string_view what, fields with) {
    nlohmann::ordered_json line{
        {"time", utc_text(std::chrono::system_clock::now())}, {"level", word(l)}, {"event", what}};
    for (const auto& [name, value] : with) line[std::string{name}] = value;
    return line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string human_line(level l, std::string_view what, fields with) {
    auto line = fmt::format("{} {:5} {}", utc_text(std::chrono::system_clock::now()).substr(11, 12), word(l), what);
    for (const auto& [name, value] : with) line += fmt::format("  {}={}", name, dumped(value));
    return line;
}

} // namespace

void start(style s) { chosen_style = s; }

void event(level l, std::string_view what, fields with) {
    sink().info(chosen_style == style::json ? json_line(l, what, with) : human_line(l, what, with));
}

void event(level l, std::string_view what, std::initializer_list<field> with) {
    event(l, what, fields{with.begin(), with.size()});
}

} // namespace tidesync::worker::log

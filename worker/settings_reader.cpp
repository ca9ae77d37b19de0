#include "worker/settings_reader.hpp"

#include "qstash/keys.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <system_error>

namespace tidesync::worker {

namespace {

constexpr std::size_t setting_bytes_max = 16UL * 1024;

bool is_port(std::string_view digits) {
    int port = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    return error == std::errc{} && end == digits.data() + digits.size() && port >= 1 && port <= 65535;
}

} // namespace

settings_reader::settings_reader(const environment& env, loading& into)
    : env_{env}
    , into_{into} {}

void settings_reader::problem(std::string_view name, std::string_view what) {
    into_.problems.push_back(fmt::format("{}: {}", name, what));
}

void settings_reader::note(std::string what) { into_.notes.push_back(std::move(what)); }

bool settings_reader::given(const std::string& name) const {
    return variable(name) != nullptr || variable(name + "_FILE") != nullptr;
}

const std::string* settings_reader::variable(const std::string& name) const {
    const auto found = env_.find(name);
    return found != env_.end() && !found->second.empty() ? &found->second : nullptr;
}

std::optional<std::string> settings_reader::text(const std::string& name) {
    const auto* direct = variable(name);
    const auto* file = variable(name + "_FILE");
    if (direct != nullptr && file != nullptr) {
        problem(name, fmt::format("set both directly and as {}_FILE: keep one of them", name));
        return std::nullopt;
    }
    auto value = file != nullptr     ? from_file(name + "_FILE", *file)
                 : direct != nullptr ? std::optional{*direct}
                                     : std::nullopt;
    if (value && value->size() > setting_bytes_max) {
        problem(name, fmt::format("longer than {} bytes", setting_bytes_max));
        return std::nullopt;
    }
    if (value && value->empty()) return std::nullopt;
    return value;
}

std::optional<std::string> settings_reader::required(const std::string& name, std::string_view expected) {
    const auto before = into_.problems.size();
    auto value = text(name);
    if (!value && into_.problems.size() == before)
        problem(name, fmt::format("not set: expected {}, here or in a file named by {}_FILE", expected, name));
    return value;
}

std::vector<std::string> settings_reader::list(const std::string& name) {
    std::vector<std::string> items;
    std::istringstream stream{text(name).value_or("")};
    for (std::string item; std::getline(stream, item, ',');) {
        const auto first = item.find_first_not_of(" \t");
        if (first != std::string::npos) items.push_back(item.substr(first, item.find_last_not_of(" \t") - first + 1));
    }
    return items;
}

postgres::address settings_reader::database(const std::string& name, bool is_required) {
    constexpr std::string_view expected = "postgresql://user:password@host:port/database";
    const auto url = is_required ? required(name, expected) : text(name);
    if (!url) return {};
    try {
        auto address = postgres::address::parse(*url);
        if (!address.guarded())
            note(fmt::format(
                "{}: the connection to {} does not check the server's name (sslmode below verify-full)", name,
                address.describe()));
        return address;
    } catch (const std::invalid_argument& e) {
        problem(name, e.what());
        return {};
    }
}

void settings_reader::seconds(const std::string& name, std::chrono::seconds& value, int most) {
    const auto given = text(name);
    if (!given) return;
    int number = 0;
    const auto [end, error] = std::from_chars(given->data(), given->data() + given->size(), number);
    if (error != std::errc{} || end != given->data() + given->size() || number < 0 || number > most)
        return problem(name, fmt::format("expected whole seconds from 0 to {}", most));
    value = std::chrono::seconds{number};
}

std::optional<std::string> settings_reader::from_file(const std::string& name, const std::string& path) {
    const auto unreadable = [&](std::string_view why) {
        problem(name, fmt::format("{}: {}; expected a readable file with the value in it", path, why));
        return std::nullopt;
    };
    std::error_code ignored;
    if (std::filesystem::is_directory(path, ignored)) return unreadable("is a directory");
    errno = 0;
    std::ifstream stream{path, std::ios::binary};
    if (!stream) return unreadable(errno != 0 ? std::generic_category().message(errno) : "cannot be opened");
    std::string contents(setting_bytes_max + 2, '\0');
    stream.read(contents.data(), static_cast<std::streamsize>(contents.size()));
    if (stream.bad()) return unreadable("cannot be read");
    contents.resize(static_cast<std::size_t>(stream.gcount()));
    while (!contents.empty() && (contents.back() == '\n' || contents.back() == '\r')) contents.pop_back();
    return contents;
}

std::optional<url_parts> split_url(const std::string& url) {
    const auto colon = url.find("://");
    if (colon == std::string::npos) return std::nullopt;
    url_parts parts;
    parts.scheme = url.substr(0, colon);
    const auto rest = url.substr(colon + 3);
    auto authority = rest.substr(0, rest.find_first_of("/?#"));
    parts.plain = authority.find('@') == std::string::npos && rest.find_first_of("?#") == std::string::npos;
    const bool bracketed = authority.starts_with('[');
    const auto host_end = bracketed ? authority.find(']') : std::min(authority.find(':'), authority.size());
    if (host_end == std::string::npos) return std::nullopt;
    parts.host = bracketed ? authority.substr(1, host_end - 1) : authority.substr(0, host_end);
    const auto behind = authority.substr(bracketed ? host_end + 1 : host_end);
    std::array<unsigned char, sizeof(in6_addr)> ignored{};
    if (bracketed && inet_pton(AF_INET6, parts.host.c_str(), ignored.data()) != 1) return std::nullopt;
    const bool well_formed = behind.empty() || (behind.starts_with(':') && is_port(behind.substr(1)));
    const bool web = parts.scheme == "http" || parts.scheme == "https";
    if (!web || parts.host.empty() || !well_formed || !qstash::is_visible(url)) return std::nullopt;
    return parts;
}

} // namespace tidesync::worker

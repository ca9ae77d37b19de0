#include "worker/settings_reader.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace tidesync::worker {

namespace {

constexpr std::size_t setting_bytes_max = 16UL * 1024;

} // namespace

settings_reader::settings_reader(const environment& env, loading& into)
    : env_{env}
    , into_{into} {}

void settings_reader::problem(std::string_view name, std::string_view what) {
    into_.problems.push_back(fmt::format("{}: {}", name, what));
}

void settings_reader::note(std::string what) { into_.notes.push_back(std::move(what)); }

bool settings_reader::given(const std::string& name) const {
    const auto direct = env_.find(name);
    return (direct != env_.end() && !direct->second.empty()) || env_.contains(name + "_FILE");
}

std::optional<std::string> settings_reader::text(const std::string& name) {
    const auto direct = env_.find(name);
    const auto file = env_.find(name + "_FILE");
    if (direct != env_.end() && file != env_.end()) {
        problem(name, fmt::format("set both directly and as {}_FILE: keep one of them", name));
        return std::nullopt;
    }
    auto value = file != env_.end()     ? from_file(name + "_FILE", file->second)
                 : direct != env_.end() ? std::optional{direct->second}
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
    std::ifstream stream{path, std::ios::binary};
    if (!stream) {
        problem(name, fmt::format("cannot read {}: expected a readable file with the value in it", path));
        return std::nullopt;
    }
    std::string contents(setting_bytes_max + 2, '\0');
    stream.read(contents.data(), static_cast<std::streamsize>(contents.size()));
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
    if (authority.starts_with('['))
        parts.host = authority.substr(1, authority.find(']') - 1);
    else
        parts.host = authority.substr(0, authority.rfind(':'));
    const bool visible = std::ranges::all_of(url, [](unsigned char c) { return c > ' ' && c < 127; });
    if ((parts.scheme != "http" && parts.scheme != "https") || parts.host.empty() || !visible) return std::nullopt;
    return parts;
}

} // namespace tidesync::worker

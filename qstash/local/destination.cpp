#include "qstash/local/destination.hpp"

#include "qstash/local/wire_text.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <charconv>
#include <stdexcept>
#include <utility>

namespace tidesync::qstash::local {
namespace {

constexpr std::size_t url_bytes_max = 8192;
constexpr std::size_t host_bytes_max = 253; // RFC 1035 section 2.3.4, as text
constexpr std::size_t label_bytes_max = 63;
constexpr int ipv4_prefix_bits = 96; // of ::ffff:0:0/96
constexpr int port_max = 65535;

[[noreturn]] void refuse(std::string_view why) {
    throw std::invalid_argument("invalid destination url: " + std::string(why));
}

// --- Addresses

using address = std::array<unsigned char, 16>;

constexpr address ipv4_mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

/// Reads what inet_ntop writes: IPv4 is four decimal numbers and nothing else.
std::optional<address> read_address(std::string_view text) {
    if (text.find('\0') != std::string_view::npos) return std::nullopt; // inet_pton would stop there
    const std::string terminated{text};
    address bytes{};
    if (inet_pton(AF_INET6, terminated.c_str(), bytes.data()) == 1) return bytes;
    bytes = ipv4_mapped;
    if (inet_pton(AF_INET, terminated.c_str(), bytes.data() + 12) == 1) return bytes;
    return std::nullopt;
}

bool contains(const network& range, const address& searched) {
    for (int bit = 0; bit < range.prefix_bits; ++bit) {
        const auto byte = static_cast<std::size_t>(bit) / 8;
        const auto mask = 0x80U >> static_cast<unsigned>(bit % 8);
        if (((range.bytes[byte] ^ searched[byte]) & mask) != 0) return false;
    }
    return true;
}

struct named_range {
    network where;
    std::string_view kind;
};

/// What is not the public internet. Source: IANA, special-purpose address registries for IPv4 and IPv6; multicast.
const std::vector<named_range>& special_ranges() {
    static const std::vector<named_range> ranges = [] {
        std::vector<named_range> read;
        for (const auto& [text, kind] : {
                 std::pair{"127.0.0.0/8", "loopback"},
                 {"::1/128", "loopback"},
                 {"0.0.0.0/8", "unspecified"}, // Linux connects 0.0.0.0 to itself
                 {"::/128", "unspecified"},
                 {"10.0.0.0/8", "private"},
                 {"172.16.0.0/12", "private"},
                 {"192.168.0.0/16", "private"},
                 {"100.64.0.0/10", "private"}, // behind a carrier's NAT; also overlay networks
                 {"fc00::/7", "private"},
                 {"fec0::/10", "private"},
                 {"169.254.0.0/16", "link-local"}, // where clouds hand out credentials
                 {"fe80::/10", "link-local"},
                 {"224.0.0.0/4", "multicast"},
                 {"ff00::/8", "multicast"},
                 {"192.0.0.0/24", "reserved"},
                 {"192.0.2.0/24", "reserved"}, // documentation, as the next two and the last two
                 {"198.51.100.0/24", "reserved"},
                 {"203.0.113.0/24", "reserved"},
                 {"192.88.99.0/24", "reserved"}, // 6to4 relays
                 {"198.18.0.0/15", "reserved"},  // benchmarks
                 {"240.0.0.0/4", "reserved"},    // with broadcast
                 {"2001::/23", "reserved"},      // Teredo among others, which carries an IPv4 address
                 {"2001:db8::/32", "reserved"},
                 {"3fff::/20", "reserved"},
             })
            read.push_back({network::parse(text), kind});
        return read;
    }();
    return ranges;
}

/// The IPv4 address that a gateway would call for this one: NAT64 or 6to4.
std::optional<address> embedded_ipv4(const address& outer) {
    static const auto nat64 = network::parse("64:ff9b::/96");
    static const auto six_to_four = network::parse("2002::/16");
    const auto at = [&](std::ptrdiff_t first) {
        address inner = ipv4_mapped;
        std::copy_n(outer.begin() + first, 4, inner.begin() + 12);
        return inner;
    };
    if (contains(nat64, outer)) return at(12);
    if (contains(six_to_four, outer)) return at(2);
    return std::nullopt;
}

/// @returns what keeps it from being public; nothing for a public address
std::optional<std::string_view> special_kind(const address& weighed) {
    static const network ipv4{ipv4_mapped, ipv4_prefix_bits};
    static const auto global_unicast = network::parse("2000::/3"); // all that was ever given out
    if (const auto inner = embedded_ipv4(weighed)) return special_kind(*inner);
    for (const auto& [where, kind] : special_ranges())
        if (contains(where, weighed)) return kind;
    if (contains(ipv4, weighed) || contains(global_unicast, weighed)) return std::nullopt;
    return "reserved";
}

/// By its own bytes: what a gateway would turn into 127.0.0.1 is the gateway's loopback, not ours.
bool is_loopback(const address& weighed) {
    static const auto ipv4 = network::parse("127.0.0.0/8");
    static const auto ipv6 = network::parse("::1/128");
    return contains(ipv4, weighed) || contains(ipv6, weighed);
}

bool holds(const std::vector<network>& networks, const address& searched) {
    return std::ranges::any_of(networks, [&](const network& range) { return contains(range, searched); });
}

std::string resolves_to(std::string_view kind, std::string_view text) {
    return "endpoint resolves to a " + std::string(kind) + " address: " + std::string(text);
}

// --- Host names

/// One spelling for each host, so that texts can be compared.
std::string normal_host(std::string_view text) {
    auto host = lower_case(text);
    if (host.ends_with('.')) host.pop_back();
    if (host.find(':') == std::string::npos) return host;
    address bytes{};
    std::array<char, INET6_ADDRSTRLEN> written{};
    if (inet_pton(AF_INET6, host.c_str(), bytes.data()) != 1) return host;
    return inet_ntop(AF_INET6, bytes.data(), written.data(), written.size());
}

bool local_name(std::string_view host) { return host == "localhost" || host.ends_with(".localhost"); }

bool name_matches(std::string_view pattern, std::string_view host) {
    if (pattern == "*") return true;
    const auto normal = normal_host(pattern);
    if (!normal.starts_with("*.")) return normal == host;
    const auto suffix = std::string_view(normal).substr(1); // with its dot: evil-example.com is another host
    return host.size() > suffix.size() && host.ends_with(suffix);
}

bool label_character(char character) {
    return (character >= 'a' && character <= 'z') || (character >= '0' && character <= '9') || character == '-' ||
           character == '_';
}

/// Whether a client might read it as an IPv4 address in one of its old spellings, as inet_aton does.
/// Source: WHATWG URL standard, "ends in a number".
bool ends_in_number(std::string_view host) {
    const auto last = host.substr(host.rfind('.') + 1); // npos + 1 is 0
    const auto digit = [](char character) { return character >= '0' && character <= '9'; };
    return last.starts_with("0x") || std::ranges::all_of(last, digit);
}

void check_name(std::string_view host) {
    if (host.empty()) refuse("endpoint has no host");
    if (host.size() > host_bytes_max) refuse("host is longer than 253 bytes");
    for (auto rest = host; !rest.empty();) {
        const auto dot = rest.find('.');
        const auto label = rest.substr(0, dot);
        if (label.empty() || label.size() > label_bytes_max || !std::ranges::all_of(label, label_character))
            refuse("host is no valid name; write names in other scripts as xn--…");
        if (dot == rest.size() - 1) refuse("host is no valid name");
        rest = dot == std::string_view::npos ? std::string_view{} : rest.substr(dot + 1);
    }
    if (ends_in_number(host) && !read_address(host)) refuse("write an IPv4 address as four decimal numbers");
}

// --- URLs

bool has_scheme(std::string_view text) {
    return starts_with_any_case(text, "http://") || starts_with_any_case(text, "https://");
}

/// The URL as it was meant. Proxies merge the two slashes, and clients escape the whole; what is right is left alone.
std::string repaired(std::string_view raw) {
    if (has_scheme(raw)) return std::string(raw);
    for (const std::string_view scheme : {"http:/", "https:/"})
        if (starts_with_any_case(raw, scheme))
            return std::string(raw.substr(0, scheme.size())) + '/' + std::string(raw.substr(scheme.size()));

    // What follows a bare question mark was put behind the escaped URL later, and is not escaped.
    const auto query = std::min(raw.find('?'), raw.size());
    auto url = percent_decoded(raw.substr(0, query));
    if (!url || !has_scheme(*url)) refuse("endpoint has invalid scheme, add http:// or https://");
    const bool second_query = query < raw.size() && url->find('?') != std::string::npos;
    *url += second_query ? '&' + std::string(raw.substr(query + 1)) : std::string(raw.substr(query));
    return *url;
}

int read_port(std::string_view text) {
    int port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    const bool number = error == std::errc{} && end == text.data() + text.size() && !text.starts_with('0');
    if (!number || port < 1 || port > port_max) refuse("port is no number from 1 to 65535");
    return port;
}

void read_authority(std::string_view text, destination& into) {
    if (text.find('@') != std::string_view::npos) refuse("user and password are not supported in it");
    const bool bracketed = text.starts_with('[');
    const auto host_end = bracketed ? text.find(']') : std::min(text.find(':'), text.size());
    if (host_end == std::string_view::npos) refuse("bracket without its partner");
    into.host = normal_host(bracketed ? text.substr(1, host_end - 1) : text.substr(0, host_end));
    if (!bracketed)
        check_name(into.host);
    else if (into.host.find(':') == std::string::npos || !read_address(into.host))
        refuse("no IPv6 address in brackets");

    const auto rest = text.substr(bracketed ? host_end + 1 : host_end);
    if (!rest.empty() && !rest.starts_with(':')) refuse("unexpected text after the host");
    into.port = !rest.empty() ? read_port(rest.substr(1)) : into.scheme == "https" ? 443 : 80;
}

} // namespace

network network::parse(std::string_view text) {
    const auto problem = [&](std::string_view why) {
        return std::invalid_argument("network " + std::string(text.substr(0, 100)) + ": " + std::string(why));
    };
    const auto slash = std::min(text.find('/'), text.size());
    const auto bytes = read_address(text.substr(0, slash));
    if (!bytes) throw problem("expected an address, such as 10.0.0.0/8 or fd00::/8");
    const bool ipv4 = text.substr(0, slash).find(':') == std::string_view::npos;

    network read{*bytes, ipv4 ? 32 : 128}; // a lone address is a network of one
    if (slash < text.size()) {
        const auto digits = text.substr(slash + 1);
        const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), read.prefix_bits);
        if (error != std::errc{} || end != digits.data() + digits.size() || read.prefix_bits < 0 ||
            read.prefix_bits > (ipv4 ? 32 : 128))
            throw problem(ipv4 ? "expected 0 to 32 bits after the slash" : "expected 0 to 128 bits after the slash");
    }
    if (ipv4) read.prefix_bits += ipv4_prefix_bits;
    for (int bit = read.prefix_bits; bit < 128; ++bit)
        if ((read.bytes[static_cast<std::size_t>(bit) / 8] & (0x80U >> static_cast<unsigned>(bit % 8))) != 0)
            throw problem("the address has bits that the number after the slash leaves out");
    return read;
}

destination parse_destination(std::string_view raw) {
    if (raw.size() > url_bytes_max) refuse("longer than 8192 bytes");
    auto url = repaired(raw);
    if (url.size() > url_bytes_max) refuse("longer than 8192 bytes");
    const auto visible_ascii = [](char character) { return character > ' ' && character < '\x7f'; };
    if (!std::ranges::all_of(url, visible_ascii)) refuse("spaces, control and non-ASCII characters need escapes");
    url.erase(std::min(url.find('#'), url.size()));

    destination read;
    read.scheme = lower_case(url.substr(0, url.find(':')));
    const auto rest = std::string_view(url).substr(read.scheme.size() + 3);
    read_authority(rest.substr(0, rest.find_first_of("/?")), read);
    read.url = std::move(url);
    return read;
}

std::optional<std::string> refuse_host(const destination& asked, const destination_policy& policy) {
    const auto host = normal_host(asked.host);
    const auto not_allowed = [&] { return "host " + host + " is not among the allowed destinations"; };
    const auto literal = read_address(host);
    if (!literal) {
        const bool named = std::ranges::any_of(policy.hosts, [&](const auto& h) { return name_matches(h, host); });
        return local_name(host) || named ? std::nullopt : std::optional{not_allowed()};
    }
    if (is_loopback(*literal) || holds(policy.networks, *literal)) return std::nullopt;
    if (const auto kind = special_kind(*literal)) return resolves_to(*kind, host);
    const bool listed =
        std::ranges::any_of(policy.hosts, [&](const auto& h) { return h == "*" || normal_host(h) == host; });
    return listed ? std::nullopt : std::optional{not_allowed()};
}

std::optional<std::string>
refuse_address(std::string_view address_text, std::string_view host, const destination_policy& policy) {
    const auto resolved = read_address(address_text);
    if (!resolved) return "unable to resolve host: that is no address";
    const auto name = normal_host(host);
    const auto literal = read_address(name);
    // A local name is allowed without being asked for, so it must not become the name of another machine.
    if (local_name(name) || (literal && is_loopback(*literal)))
        return is_loopback(*resolved) ? std::nullopt
                                      : std::optional<std::string>{"a local name resolves to another host"};
    if (holds(policy.networks, *resolved)) return std::nullopt;
    if (const auto kind = special_kind(*resolved)) return resolves_to(*kind, address_text);
    return std::nullopt;
}

} // namespace tidesync::qstash::local

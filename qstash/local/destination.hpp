#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Where messages may go. The scheduler is asked by others to make requests from inside a network, so this is a fence.
namespace tidesync::qstash::local {

/// A range of addresses, `10.0.0.0/8` or `fd00::/8`.
struct network {
    std::array<unsigned char, 16> bytes{}; ///< IPv4 as ::ffff:a.b.c.d
    int prefix_bits = 0;                   ///< of 128

    /// @param text  as above, or one address alone
    /// @throws std::invalid_argument  also where the address has bits behind its prefix: `10.0.0.1/8` is a slip
    [[nodiscard]] static network parse(std::string_view text);
};

struct destination_policy {
    std::vector<std::string> hosts; ///< names, `*.example.com`, or `*` for every public host
    std::vector<network> networks;  ///< private ranges that allowed hosts may resolve to, and literals in them
};

struct destination {
    std::string url;    ///< as it will be called and signed
    std::string scheme; ///< http or https
    std::string host;   ///< in lower case, without brackets or a dot at its end; IPv6 as inet_ntop writes it
    int port = 0;
};

/// Reads what stands behind `/v2/publish/`: a URL, also with one slash of `https://` lost to a proxy, or wholly
/// percent-encoded. Refuses user and password, and IPv4 addresses in other spellings than four decimal numbers, which
/// readers disagree about; fragments are cut off. At most 8 KiB. What it returns as `url` reads as the same again.
/// @throws std::invalid_argument  `invalid destination url: endpoint has invalid scheme, add http:// or https://`, …
[[nodiscard]] destination parse_destination(std::string_view raw);

/// Before a message is taken: may this host be called at all?
/// @returns why not, to be put behind `invalid destination url: `; nothing when it may.
/// Loopback (`localhost`, `*.localhost`, 127.0.0.0/8, ::1) always may.
[[nodiscard]] std::optional<std::string> refuse_host(const destination&, const destination_policy&);

/// At connect time, after DNS: may this address be called for that host? A public name that resolves to a private,
/// link-local, loopback, multicast, or otherwise special address may not, unless a network of the policy holds it. A
/// local name may resolve to loopback alone.
/// @param address  as inet_ntop writes it; anything else is refused
[[nodiscard]] std::optional<std::string>
refuse_address(std::string_view address, std::string_view host, const destination_policy&);

} // namespace tidesync::qstash::local

#include "qstash/local/destination.hpp"

#include "tests/catch.hpp"
#include "tests/qstash/local/hostile.hpp"

using namespace tidesync::qstash::local;

namespace {

destination_policy policy_of(std::vector<std::string> hosts, const std::vector<std::string>& networks = {}) {
    destination_policy policy{std::move(hosts), {}};
    for (const auto& text : networks) policy.networks.push_back(network::parse(text));
    return policy;
}

std::string refused(const std::string& host, const destination_policy& policy) {
    return refuse_host(parse_destination("http://" + host + "/"), policy).value_or("");
}

std::string refused_address(std::string_view address, std::string_view host, const destination_policy& policy) {
    return refuse_address(address, host, policy).value_or("");
}

} // namespace

// --- Networks

TEST_CASE("a network is an address and its leading bits", "[qstash][local][destination]") {
    struct row {
        std::string text;
        int prefix_bits;
    };
    for (const auto& [text, prefix_bits] : std::vector<row>{
             {"10.0.0.0/8", 104},
             {"0.0.0.0/0", 96},
             {"10.1.2.3/32", 128},
             {"10.1.2.3", 128},
             {"fd00::/8", 8},
             {"::/0", 0},
             {"fd00::1", 128},
             {"::ffff:10.0.0.0/104", 104}}) {
        CAPTURE(text);
        CHECK(network::parse(text).prefix_bits == prefix_bits);
    }
    for (const std::string text :
         {"", "/", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/+8", "10.0.0.0/8 ", " 10.0.0.0/8",
          "10.0.0.0/8/8", "10.0.0.1/8", "10/8", "10.0.0.0/255.0.0.0", "fd00::/129", "fd00::1/64", "example.com",
          "010.0.0.0/8", "10.0.0.0/99999999999999", "[fd00::]/8"}) {
        CAPTURE(text);
        CHECK_THROWS_AS(network::parse(text), std::invalid_argument);
    }
    CHECK_THROWS_AS(network::parse(std::string_view("10.0.0.0\0/8", 11)), std::invalid_argument);
}

// --- Before a message is taken

TEST_CASE("this machine may be called without being named in the policy", "[qstash][local][destination]") {
    for (const std::string host :
         {"localhost", "LOCALHOST:8080", "localhost.", "foo.localhost", "a.b.localhost.", "127.0.0.1",
          "127.255.255.254", "[::1]", "[0:0::1]:80", "[::ffff:127.0.0.1]"}) {
        CAPTURE(host);
        CHECK(refused(host, {}).empty());
    }
    for (const std::string host :
         {"notlocalhost", "localhost.example.com", "foolocalhost", "localhost-", "127.0.0.1.example.com", "128.0.0.1",
          "0.0.0.0", "[::]", "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]"}) {
        CAPTURE(host);
        CHECK_FALSE(refused(host, {}).empty());
    }
}

TEST_CASE("a host is called when the policy names it", "[qstash][local][destination]") {
    struct row {
        std::string pattern, host;
        bool allowed;
    };
    const std::vector<row> cases{
        {"example.com", "example.com", true},
        {"Example.COM.", "eXample.com", true},
        {"example.com", "example.com.", true},
        {"example.com", "www.example.com", false},
        {"example.com", "evil-example.com", false},
        {"example.com", "example.com.evil.example", false},
        {"example.com", "example.co", false},
        {"*.example.com", "a.example.com", true},
        {"*.EXAMPLE.com", "a.b.example.com.", true},
        {"*.example.com", "example.com", false},
        {"*.example.com", "evil-example.com", false},
        {"*.example.com", "a.example.com.evil.example", false},
        {"*", "example.com", true},
        {"*", "8.8.8.8", true},
        {"*", "[2606:4700::1111]", true},
        {"*.", "example.com", false}, // a slip must not open everything
        {"", "example.com", false},
        {"*.8", "8.8.8.8", false},
        {"a*.example.com", "ab.example.com", false},
        {"8.8.8.8", "8.8.8.8", true},
        {"8.8.8.8", "8.8.4.4", false},
        {"2606:4700:0::1111", "[2606:4700::1111]", true},
        {"10.0.0.1", "10.0.0.1", false}, // named, but a private address asks for its network
        {"*", "10.0.0.1", false},
        {"*", "169.254.169.254", false},
        {"*", "[fd00::1]", false},
        {"*", "[::ffff:10.0.0.1]", false},
        {"*", "0.0.0.0", false},
    };
    for (const auto& [pattern, host, allowed] : cases) {
        CAPTURE(pattern, host);
        CHECK(refused(host, policy_of({pattern})).empty() == allowed);
        CHECK_FALSE(refused("other.example", policy_of({"example.org", "*.example.net"})).empty());
    }
    CHECK(refused("example.com", {}) == "host example.com is not among the allowed destinations");
    CHECK(refused("10.0.0.1", policy_of({"*"})) == "endpoint resolves to a private address: 10.0.0.1");
}

TEST_CASE("an address in a network of the policy may be called by its number", "[qstash][local][destination]") {
    const auto policy = policy_of({}, {"10.1.0.0/16", "fd00::/8"});
    for (const std::string host : {"10.1.0.0", "10.1.255.255", "[fd12::1]", "[::ffff:10.1.2.3]"}) {
        CAPTURE(host);
        CHECK(refused(host, policy).empty());
    }
    for (const std::string host : {"10.2.0.0", "10.0.255.255", "[fe80::1]", "[64:ff9b::a01:203]", "example.com"}) {
        CAPTURE(host);
        CHECK_FALSE(refused(host, policy).empty());
    }
}

// --- When the address is known

TEST_CASE("a public name may resolve to public addresses only", "[qstash][local][destination]") {
    const auto policy = policy_of({"*"});
    for (const std::string address :
         {"1.1.1.1",         "9.255.255.255",   "11.0.0.0",        "100.63.255.255", "100.128.0.0",  "126.255.255.255",
          "128.0.0.0",       "169.253.255.255", "169.255.0.0",     "172.15.255.255", "172.32.0.0",   "192.0.1.0",
          "192.0.3.0",       "192.167.255.255", "192.169.0.0",     "198.17.255.255", "198.20.0.0",   "198.51.99.255",
          "203.0.114.0",     "223.255.255.255", "2606:4700::1111", "2001:200::1",    "2a00:1450::1", "64:ff9b::101:101",
          "2002:101:101::1", "::ffff:1.1.1.1",  "3fff:1000::1"}) {
        CAPTURE(address);
        CHECK(refused_address(address, "example.com", policy).empty());
    }
    const std::vector<std::pair<std::string, std::string>> special{
        {"0.0.0.0", "unspecified"},
        {"0.255.255.255", "unspecified"},
        {"10.0.0.0", "private"},
        {"10.255.255.255", "private"},
        {"100.64.0.0", "private"},
        {"100.127.255.255", "private"},
        {"127.0.0.1", "loopback"},
        {"127.255.255.255", "loopback"},
        {"169.254.169.254", "link-local"},
        {"172.16.0.0", "private"},
        {"172.31.255.255", "private"},
        {"192.0.0.1", "reserved"},
        {"192.0.2.1", "reserved"},
        {"192.88.99.1", "reserved"},
        {"192.168.0.0", "private"},
        {"192.168.255.255", "private"},
        {"198.18.0.0", "reserved"},
        {"198.19.255.255", "reserved"},
        {"198.51.100.1", "reserved"},
        {"203.0.113.1", "reserved"},
        {"224.0.0.1", "multicast"},
        {"239.255.255.255", "multicast"},
        {"240.0.0.0", "reserved"},
        {"255.255.255.255", "reserved"},
        {"::", "unspecified"},
        {"::1", "loopback"},
        {"::127.0.0.1", "reserved"},
        {"::10.0.0.1", "reserved"},
        {"::8.8.8.8", "reserved"},
        {"::ffff:127.0.0.1", "loopback"},
        {"::ffff:10.0.0.1", "private"},
        {"::ffff:0:10.0.0.1", "reserved"},
        {"::ffff:169.254.169.254", "link-local"},
        {"64:ff9b::7f00:1", "loopback"},
        {"64:ff9b::a9fe:a9fe", "link-local"},
        {"64:ff9b::10.0.0.1", "private"},
        {"64:ff9b:1::1.1.1.1", "reserved"},
        {"2002:a00:1::1", "private"},
        {"2002:7f00:1::", "loopback"},
        {"2002:c0a8:101::1", "private"},
        {"2001::1", "reserved"}, // Teredo
        {"2001:1ff::1", "reserved"},
        {"2001:db8::1", "reserved"},
        {"3fff::1", "reserved"},
        {"100::1", "reserved"},
        {"5f00::1", "reserved"},
        {"4000::1", "reserved"},
        {"fc00::1", "private"},
        {"fdff:ffff::1", "private"},
        {"fec0::1", "private"},
        {"fe80::1", "link-local"},
        {"febf::1", "link-local"},
        {"ff02::1", "multicast"}};
    for (const auto& [address, kind] : special) {
        CAPTURE(address);
        CHECK(
            refused_address(address, "example.com", policy) ==
            "endpoint resolves to a " + kind + " address: " + address);
        CHECK(refused_address(address, "example.com", policy_of({"*"}, {address})).empty());
    }
}

TEST_CASE("a name may resolve into a network of the policy, and no further", "[qstash][local][destination]") {
    const auto policy = policy_of({"*.corp.example"}, {"10.1.0.0/16"});
    CHECK(refused_address("10.1.2.3", "a.corp.example", policy).empty());
    CHECK(refused_address("::ffff:10.1.2.3", "a.corp.example", policy).empty());
    CHECK_FALSE(refused_address("10.2.2.3", "a.corp.example", policy).empty());
    CHECK_FALSE(refused_address("127.0.0.1", "a.corp.example", policy).empty());
    CHECK_FALSE(refused_address("64:ff9b::a01:203", "a.corp.example", policy).empty()); // another network's 10.1.2.3
}

TEST_CASE("a local name resolves to loopback alone", "[qstash][local][destination]") {
    const auto policy = policy_of({"*"}, {"10.0.0.0/8"});
    for (const std::string host : {"localhost", "Localhost.", "a.localhost", "127.0.0.1", "::1"}) {
        CAPTURE(host);
        CHECK(refused_address("127.0.0.1", host, policy).empty());
        CHECK(refused_address("::1", host, policy).empty());
        CHECK(refused_address("::ffff:127.0.0.2", host, policy).empty());
        CHECK_FALSE(refused_address("1.1.1.1", host, policy).empty());
        CHECK_FALSE(refused_address("10.0.0.1", host, policy).empty());
        CHECK_FALSE(refused_address("0.0.0.0", host, policy).empty());
    }
}

TEST_CASE("what is no address is not called", "[qstash][local][destination]") {
    for (const std::string address :
         {"", "example.com", "127.1", "0177.0.0.1", "2130706433", "1.1.1.1 ", "1.1.1.1:80", "[::1]", "fe80::1%eth0"}) {
        CAPTURE(address);
        CHECK_FALSE(refused_address(address, "localhost", policy_of({"*"}, {"0.0.0.0/0", "::/0"})).empty());
    }
    CHECK_FALSE(refused_address(std::string_view("1.1.1.1\0", 8), "example.com", policy_of({"*"})).empty());
}

// --- Chance

TEST_CASE("hostile destinations are read or refused, and never slip past the fence", "[qstash][local][destination]") {
    const std::vector<std::string> pieces{
        "http://",
        "https://",
        "http:/",
        "HTTPS:",
        "%3A%2F%2F",
        "localhost",
        "127.0.0.1",
        "127.1",
        "0x7f",
        "[::1]",
        "[",
        "]",
        "::ffff:10.0.0.1",
        "@",
        ":",
        "/",
        "//",
        "?",
        "#",
        "\\",
        "%",
        "%2e",
        ".",
        "..",
        "example.com",
        "10.0.0.1",
        "80",
        "65536",
        " ",
        "\r\n",
        std::string(1, '\0'),
        "\xff",
        "-",
        "a",
        "&",
        "2130706433"};
    tidesync::qstash::testing::dice dice;
    CAPTURE(dice.seed);
    const destination_policy closed;
    int read_ones = 0;
    for (int round = 0; round < 20'000; ++round) {
        const auto raw = (round % 2 == 0 ? "http://" : "") + dice.text(pieces, 8);
        try {
            const auto found = parse_destination(raw);
            ++read_ones;
            const auto again = parse_destination(found.url);
            if (again.url != found.url || again.host != found.host || again.port != found.port) FAIL(raw);
            if (!refuse_host(found, closed) && !found.host.ends_with("localhost") && found.host != "::1" &&
                !found.host.starts_with("127.") && !found.host.starts_with("::ffff:127."))
                FAIL("let through: " << raw);
            static_cast<void>(refuse_address(found.host, found.host, closed));
        } catch (const std::invalid_argument&) {
            continue;
        }
    }
    CHECK(read_ones > 100); // the dice do reach the other side
}

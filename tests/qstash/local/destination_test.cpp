#include "qstash/local/destination.hpp"

#include "tests/catch.hpp"

using namespace tidesync::qstash::local;
using tidesync::tests::containing;

namespace {

/// The URL that a text is read as, or what is wrong with it.
std::string read(std::string_view raw) try {
    return parse_destination(raw).url;
} catch (const std::invalid_argument& e) {
    return e.what();
}

const std::string no_scheme =
    "invalid destination url: endpoint has invalid scheme, add http:// or https://"; // QStash's own text

} // namespace

TEST_CASE("a URL is taken apart and left as it is", "[qstash][local][destination]") {
    struct row {
        std::string raw, scheme, host;
        int port;
    };
    const std::vector<row> cases{
        {"https://example.com/job?x=1", "https", "example.com", 443},
        {"http://example.com", "http", "example.com", 80},
        {"https://cb", "https", "cb", 443},
        {"https://example.com?x=https://other/", "https", "example.com", 443},
        {"https://h/a//b/../c;d=%7B%20?a=%2B&&b#", "https", "h", 443},
        {"HTTPS://Example.COM/A", "https", "example.com", 443},
        {"http://localhost:8080/x", "http", "localhost", 8080},
        {"http://localhost./x", "http", "localhost", 80},
        {"http://under_score.example:1/", "http", "under_score.example", 1},
        {"http://h:65535/", "http", "h", 65535},
        {"https://xn--wrker-jua.example/", "https", "xn--wrker-jua.example", 443},
        {"http://127.0.0.1:9000/jobs/ping", "http", "127.0.0.1", 9000},
        {"http://[::1]:9000/", "http", "::1", 9000},
        {"http://[2001:DB8:0:0::1]/", "http", "2001:db8::1", 80},
        {"http://[::ffff:10.0.0.1]/", "http", "::ffff:10.0.0.1", 80},
        {"http://h/user@other/", "http", "h", 80},
        {"http://h/%00%0d%0a", "http", "h", 80}, // escaped it is only text
    };
    for (const auto& [raw, scheme, host, port] : cases) {
        CAPTURE(raw);
        const auto found = parse_destination(raw);
        CHECK(found.url == raw.substr(0, raw.find('#')));
        CHECK(found.scheme == scheme);
        CHECK(found.host == host);
        CHECK(found.port == port);
        CHECK(parse_destination(found.url).url == found.url);
    }
}

TEST_CASE("a URL that was changed on its way is repaired", "[qstash][local][destination]") {
    const std::vector<std::pair<std::string, std::string>> cases{
        {"https:/example.com/a//b?x=1", "https://example.com/a//b?x=1"},
        {"HTTP:/example.com", "HTTP://example.com"},
        {"https%3A%2F%2Fexample.com%2Fa%3Fx%3D1%26y%3D%2520", "https://example.com/a?x=1&y=%20"},
        {"https%3a%2f%2fexample.com", "https://example.com"},
        {"https%3A//example.com/a%2520b", "https://example.com/a%20b"},
        {"https%3A%2F%2Fexample.com%2Fa?x=%2B1", "https://example.com/a?x=%2B1"}, // put behind it, not escaped
        {"https%3A%2F%2Fexample.com%2Fa%3Fx%3D1?y=2", "https://example.com/a?x=1&y=2"},
        {"https://example.com/a#b?c", "https://example.com/a"},
    };
    for (const auto& [raw, url] : cases) {
        CAPTURE(raw);
        CHECK(read(raw) == url);
    }
}

TEST_CASE("what starts with http:// or https:// is never decoded", "[qstash][local][destination]") {
    for (const std::string url : {"https://h/https%3A%2F%2Fother", "http://h/%61?%62"}) {
        CAPTURE(url);
        CHECK(read(url) == url);
    }
    CHECK(read("https:///example.com/") == "invalid destination url: endpoint has no host");
    CHECK(read("https%253A%252F%252Fexample.com") == no_scheme); // once is enough
}

TEST_CASE("a destination without http or https is refused in the words of QStash", "[qstash][local][destination]") {
    for (const std::string raw :
         {"", "example.com", "example.com/a?x=https://h/", "ftp://h/", "file:///etc/passwd", "gopher://h:6379/_",
          "//h/", "my-group", "https", "https:", "https:example.com", "http;//h", " https://h/", "javascript:alert(1)",
          "%", "%zz", "ftp%3A%2F%2Fh", "https%3A%2example.com"}) {
        CAPTURE(raw);
        CHECK(read(raw) == no_scheme);
    }
}

TEST_CASE("a URL that two readers could read differently is refused", "[qstash][local][destination]") {
    struct row {
        std::string raw, why;
    };
    const std::vector<row> cases{
        {"http://user@h/", "user"},
        {"http://user:password@h/", "user"},
        {"http://@h/", "user"},
        {"http://example.com@127.0.0.1/", "user"},
        {"http://127.0.0.1\\@example.com/", "user"},
        {"http://example.com\\.evil.example/", "name"},
        {"http:///a", "no host"},
        {"http://", "no host"},
        {"http:/", "no host"},
        {"http://?x", "no host"},
        {"http://#x", "no host"},
        {"http://:80/", "no host"},
        {"http://./", "no host"},
        {"http://h../", "name"},
        {"http://.h/", "name"},
        {"http://a..b/", "name"},
        {"http://h%2e/", "name"},
        {"http://127%2e0.0.1/", "name"},
        {"http://h,g/", "name"},
        {"http://a*b/", "name"},
        {"http://" + std::string(64, 'a') + "/", "name"},
        {"http://" + std::string(127, 'a') + '.' + std::string(127, 'b') + "/", "253"},
        {"http://h:/", "port"},
        {"http://h:0/", "port"},
        {"http://h:080/", "port"},
        {"http://h:65536/", "port"},
        {"http://h:99999999999999999999/", "port"},
        {"http://h:-1/", "port"},
        {"http://h:+1/", "port"},
        {"http://h:8a/", "port"},
        {"http://h:80:90/", "port"},
        {"http://::1/", "no host"},
        {"http://fe80::1/", "port"},
        {"http://[::1/", "bracket"},
        {"http://[]/", "IPv6"},
        {"http://[127.0.0.1]/", "IPv6"},
        {"http://[h]/", "IPv6"},
        {"http://[fe80::1%25eth0]/", "IPv6"},
        {"http://[::1]x/", "after the host"},
        {"http://[::1]80/", "after the host"},
        {"http://[::1]:x/", "port"},
        {"http://h]/", "name"},
        {"http://h/a b", "non-ASCII"},
        {"http://h/\t", "non-ASCII"},
        {"http://h/\r\nX-A: 1", "non-ASCII"},
        {std::string("http://h/\0", 10), "non-ASCII"},
        {"http://h/\x7f", "non-ASCII"},
        {"http://h/\xc3\xa9", "non-ASCII"},
        {"http://\xc3\xa9/", "non-ASCII"},
        {"http://h/#\n", "non-ASCII"}, // cut off, and still nobody's honest wish
        {"https%3A%2F%2Fh%2Fa%0D%0AX-A%3A1", "non-ASCII"},
        {"https%3A%2F%2Fh%2Fa%20b", "non-ASCII"},
    };
    for (const auto& [raw, why] : cases) {
        CAPTURE(raw);
        CHECK_THAT(read(raw), Catch::Matchers::StartsWith("invalid destination url: "));
        CHECK_THAT(read(raw), containing(why));
    }
}

TEST_CASE("an IPv4 address is four decimal numbers", "[qstash][local][destination]") {
    for (const std::string host :
         {"2130706433", "0177.0.0.1", "0x7f.0.0.1", "0x7f000001", "0X7F000001", "127.1", "127.0.1", "017700000001",
          "127.0.0.01", "127.0.0.1.1", "127.0.0.256", "1.2.3", "0", "127.0.0.0x1", "127.1.", "example.1",
          "3232235777"}) {
        CAPTURE(host);
        CHECK(read("http://" + host + "/") == "invalid destination url: write an IPv4 address as four decimal numbers");
    }
    CHECK(parse_destination("http://127.0.0.1./").host == "127.0.0.1");
    CHECK(parse_destination("http://1e3/").host == "1e3"); // letters: a name
    CHECK(parse_destination("http://127.0.0.1.example/").host == "127.0.0.1.example");
}

TEST_CASE("a URL is at most 8 KiB long", "[qstash][local][destination]") {
    const std::string longest = "http://h/" + std::string(8192 - 9, 'a');
    CHECK(read(longest) == longest);
    CHECK(read(longest + 'a') == "invalid destination url: longer than 8192 bytes");
    // One byte is added by the repair.
    CHECK(read("http:/h/" + std::string(8192 - 8, 'a')) == "invalid destination url: longer than 8192 bytes");
}

#include "jobs/stores/postgres/address.hpp"

#include <libpq-fe.h>
#include <map>
#include <memory>
#include <stdexcept>

namespace tidesync::postgres {

namespace {

/// A conninfo value as libpq reads it: quoted, with backslashes before quotes and backslashes.
std::string conninfo_value(std::string_view value) {
    std::string text = "'";
    for (const char c : value) {
        if (c == '\'' || c == '\\') text += '\\';
        text += c;
    }
    return text + '\'';
}

bool is_this_machine(const std::string& host) {
    const bool numeric = host.find_first_not_of("0123456789.") == std::string::npos;
    return host.empty() || host.front() == '/' || host.front() == '@' || host == "localhost" || host == "::1" ||
           (numeric && host.starts_with("127."));
}

} // namespace

address address::parse(std::string_view url) {
    char* raw_error = nullptr;
    const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> options{
        PQconninfoParse(std::string{url}.c_str(), &raw_error), &PQconninfoFree};
    // libpq's own text quotes parts of the input, and the input holds a password.
    PQfreemem(raw_error);
    if (url.empty() || url.find('\0') != std::string_view::npos || !options)
        throw std::invalid_argument{
            "is not a PostgreSQL address: expected postgresql://user:password@host:port/database "
            "(percent-encode special characters of the password)"};

    std::map<std::string, std::string> values;
    for (const auto* option = options.get(); option->keyword != nullptr; ++option)
        if (option->val != nullptr) values[option->keyword] = option->val;
    if (values["dbname"].empty())
        throw std::invalid_argument{"names no database: expected postgresql://user:password@host:port/database"};
    if (!values["options"].empty())
        throw std::invalid_argument{
            "sets `options`, which a transaction-mode pooler refuses: remove it (Tidesync sets what it needs itself)"};

    const auto host = values["host"].empty() ? values["hostaddr"] : values["host"];
    const bool here =
        is_this_machine(values["hostaddr"].empty() ? host : values["hostaddr"]); // hostaddr is where it goes
    values.try_emplace("sslmode", here ? "prefer" : "verify-full");
    values.try_emplace("connect_timeout", "10");
    // A peer that vanished is noticed in seconds, long before a lease ends.
    values.try_emplace("keepalives_idle", "10");
    values.try_emplace("keepalives_interval", "5");
    values.try_emplace("keepalives_count", "3");
    values.try_emplace("tcp_user_timeout", "20000");
    values.try_emplace("application_name", "tidesync");
    values["client_encoding"] = "UTF8"; // both sides speak one encoding, whatever they store

    address result;
    for (const auto& [keyword, value] : values)
        if (!value.empty()) result.conninfo_ += keyword + '=' + conninfo_value(value) + ' ';
    const auto port = values["port"].empty() ? std::string{"5432"} : values["port"];
    result.description_ = (host.empty() ? "localhost" : host) + ':' + port + '/' + values["dbname"];
    result.guarded_ = here || values["sslmode"] == "verify-full";
    return result;
}

} // namespace tidesync::postgres

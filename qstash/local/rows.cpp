#include "qstash/local/rows.hpp"

#include "qstash/local/destination.hpp"

#include <fmt/ranges.h>
#include <qstash/local/sql/queries.hpp>

namespace tidesync::qstash::local {

namespace {

using nlohmann::json;

std::string from_hex(std::string_view text) {
    const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
    std::string bytes;
    bytes.reserve(text.size() / 2);
    for (std::size_t i = 0; i + 1 < text.size(); i += 2)
        bytes += static_cast<char>((digit(text[i]) << 4) | digit(text[i + 1]));
    return bytes;
}

} // namespace

std::string to_hex(std::string_view bytes) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    text.reserve(bytes.size() * 2);
    for (const char c : bytes) {
        const auto byte = static_cast<unsigned char>(c);
        text += digits[byte >> 4U];
        text += digits[byte & 15U];
    }
    return text;
}

std::int64_t ms(time_point when) { return when.time_since_epoch().count(); }

std::optional<std::int64_t> ms(std::optional<time_point> when) {
    return when ? std::optional{ms(*when)} : std::nullopt;
}

std::optional<std::string> text_or_null(const std::string& text) {
    return text.empty() ? std::nullopt : std::optional{text};
}

std::string dump(const json& document) { return document.dump(-1, ' ', false, json::error_handler_t::replace); }

std::string text_of(const pqxx::row& row, const char* column) {
    return row[column].is_null() ? std::string{} : row[column].as<std::string>();
}

std::string bytes_of(const pqxx::row& row, const char* column) { return from_hex(text_of(row, column)); }

json json_of(const pqxx::row& row, const char* column) {
    return row[column].is_null() ? json{} : json::parse(row[column].as<std::string>());
}

std::optional<time_point> maybe_time(const pqxx::row& row, const char* column) {
    if (row[column].is_null()) return std::nullopt;
    return time_point{std::chrono::milliseconds{row[column].as<std::int64_t>()}};
}

time_point time_of(const pqxx::row& row, const char* column) { return maybe_time(row, column).value_or(time_point{}); }

stored_message message_of(const pqxx::row& row) {
    stored_message message;
    message.message_id = text_of(row, "message_id");
    message.schedule_id = text_of(row, "schedule_id");
    message.options = json_of(row, "options").get<delivery_options>();
    message.body = bytes_of(row, "body");
    return message;
}

stored_message dated_message_of(const pqxx::row& row) {
    auto message = message_of(row);
    message.caller_ip = text_of(row, "caller_ip");
    message.created = time_of(row, "created_ms");
    message.not_before = time_of(row, "not_before_ms");
    return message;
}

std::string array_of(const std::vector<std::int64_t>& numbers) {
    return fmt::format("{{{}}}", fmt::join(numbers, ","));
}

std::string array_of(const std::vector<std::string>& texts) {
    std::string array{"{"};
    for (const auto& text : texts) {
        array += array.size() > 1 ? ",\"" : "\"";
        for (const char c : text) {
            if (c == '"' || c == '\\') array += '\\';
            array += c;
        }
        array += '"';
    }
    return array + "}";
}

void insert_message(
    pqxx::transaction_base& transaction, const std::string& account, const new_message& made, time_point now) {
    query(
        transaction, sql::add_message, made.message_id, account, text_or_null(made.schedule_id),
        text_or_null(made.callback_of), dump(json(made.options)), to_hex(made.body), made.caller_ip, ms(now),
        ms(made.not_before), ms(made.catch_up_of), parse_destination(made.options.destination).host);
}

} // namespace tidesync::qstash::local

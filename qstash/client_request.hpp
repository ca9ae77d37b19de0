#pragma once

#include "qstash/client.hpp"
#include "qstash/http_call.hpp"

#include <string>
#include <string_view>

/// What the client puts on the wire. Pure; whatever cannot be sent is refused here, before a connection is made.
/// Everything throws std::invalid_argument, with a text that names the field and never holds its value.
namespace tidesync::qstash {

/// `https://host:port` out of what people write into QSTASH_URL: with slashes, `/v2` or `/v2/publish/` behind it.
[[nodiscard]] std::string origin_of(std::string_view url);

/// The headers that describe a message. Source: Upstash documentation, openapi.yaml, `/v2/publish/{destination}`.
[[nodiscard]] http_fields headers_of(const message_request&);

/// Likewise with the two that make it a schedule.
[[nodiscard]] http_fields headers_of(const schedule_request&);

/// @param deduplication_id  visible ASCII without `:`, at most 256 characters; not empty
[[nodiscard]] http_fields::value_type deduplication_header(const std::string& deduplication_id);

/// @returns the destination, once it is sure that it can stand raw in a request line
[[nodiscard]] std::string checked_destination(const std::string& destination);

/// @returns the id, once it is sure that it can stand in a path
[[nodiscard]] std::string checked_schedule_id(const std::string& schedule_id);

/// An id of the server's own making, percent-encoded for a path or a query.
[[nodiscard]] std::string encoded_id(std::string_view id);

/// Refuses a token that is empty or cannot stand in a header.
void check_token(std::string_view token);

} // namespace tidesync::qstash

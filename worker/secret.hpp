#pragma once

#include <iosfwd>
#include <string>
#include <string_view>

namespace tidesync::worker {

/// A key or token. Has no formatter and no way into JSON, so that logging one does not compile.
class secret {
public:
    secret() = default;
    explicit secret(std::string value)
        : value_{std::move(value)} {}

    [[nodiscard]] bool empty() const noexcept { return value_.empty(); }

    /// For the one place that needs it: an HMAC, a comparison, a header of ours.
    [[nodiscard]] std::string_view reveal() const noexcept { return value_; }

    friend std::ostream& operator<<(std::ostream&, const secret&) = delete;

private:
    std::string value_;
};

} // namespace tidesync::worker

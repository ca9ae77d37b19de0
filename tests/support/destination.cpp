#include "tests/support/destination.hpp"

#include <fmt/format.h>

namespace tidesync::tests {

destination::destination(script with)
    : script_{std::move(with)} {
    worker::http_server::limits limits;
    limits.body_bytes_max = 16UL * 1024 * 1024;
    server_ = std::make_unique<worker::http_server>(
        worker::listen_address{"127.0.0.1", 0}, worker::may_block([this](const worker::http_request& request) {
            int nth = 0;
            {
                const std::scoped_lock lock{mutex_};
                requests_.push_back(request);
                nth = static_cast<int>(requests_.size());
                came_.notify_all();
            }
            return script_ ? script_(request, nth) : worker::http_response{};
        }),
        limits);
}

std::string destination::url(const std::string& path) const {
    return fmt::format("http://127.0.0.1:{}{}", server_->port(), path);
}

std::vector<worker::http_request> destination::requests() const {
    const std::scoped_lock lock{mutex_};
    return requests_;
}

std::vector<worker::http_request> destination::requests(const std::string& path) const {
    auto chosen = requests();
    std::erase_if(chosen, [&](const auto& request) { return request.path() != path; });
    return chosen;
}

bool destination::await(std::size_t count) const {
    std::unique_lock lock{mutex_};
    return came_.wait_for(lock, std::chrono::seconds{10}, [&] { return requests_.size() >= count; });
}

} // namespace tidesync::tests

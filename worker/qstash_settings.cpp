#include "worker/qstash_settings.hpp"

#include "qstash/client.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <map>
#include <stdexcept>

namespace tidesync::worker {

namespace {

constexpr std::size_t token_bytes_min = 24;

/// The keys of QStash, which come in pairs: one pair without a region, one for each region. Each is tried.
class key_reader {
public:
    key_reader(settings_reader& from, settings& values, bool insecure_dev)
        : from_{from}
        , values_{values}
        , development_keys_{insecure_dev && is_loopback(values.listen.host)} {}

    void read() {
        // A region of which anything is set is meant: what is missing there is the problem, not the plain pair.
        read_pair({"", ""}, std::ranges::none_of(regions, [this](const region& r) { return anything_given(r); }));
        for (const auto& one : regions) read_pair(one, false);
    }

private:
    struct region {
        std::string_view prefix; ///< of the names
        std::string_view label;
    };

    static constexpr std::array regions{region{"US_EAST_1_", "us-east-1/"}, region{"EU_CENTRAL_1_", "eu-central-1/"}};

    static std::string current_name(const region& r) { return fmt::format("{}QSTASH_CURRENT_SIGNING_KEY", r.prefix); }
    static std::string next_name(const region& r) { return fmt::format("{}QSTASH_NEXT_SIGNING_KEY", r.prefix); }

    [[nodiscard]] bool anything_given(const region& r) const {
        return from_.given(current_name(r)) || from_.given(next_name(r));
    }

    /// Half a pair stops working with the next rotation, or has stopped already: both or none.
    void read_pair(const region& r, bool is_required) {
        if (!is_required && !anything_given(r)) return;
        read_key(current_name(r), fmt::format("{}current", r.label));
        read_key(next_name(r), fmt::format("{}next", r.label));
    }

    void read_key(const std::string& name, const std::string& label) {
        auto key = from_.required(name, "the signing key that the QStash console shows");
        if (!key) return;
        const bool allowed_here = development_keys_ && qstash::public_development_key(*key);
        if (const auto reason = qstash::weak_key(*key); reason && !allowed_here) return from_.problem(name, *reason);
        // Keys differ between regions as well, so that two of one value are a mistake of copying.
        if (const auto same = names_.find(*key); same != names_.end())
            from_.problem(name, fmt::format("is the same as {}: copy each from the console", same->second));
        names_.emplace(*key, name);
        values_.signing_keys.push_back({label, std::move(*key)});
    }

    settings_reader& from_;
    settings& values_;
    bool development_keys_;
    std::map<std::string, std::string> names_; ///< by key
};

} // namespace

void read_qstash_url(settings_reader& from, settings& values) {
    const std::string name = "QSTASH_URL";
    auto url = from.text(name);
    if (!url) return;
    const auto cut = [&](std::string_view end) {
        if (url->ends_with(end)) url->resize(url->size() - end.size());
    };
    while (url->ends_with('/')) url->pop_back();
    cut("/publish"); // people paste the address they know from an example
    cut("/v2");
    const auto parts = split_url(*url);
    if (!parts || !parts->plain || url->find('/', parts->scheme.size() + 3) != std::string::npos)
        return from.problem(name, "expected https://host[:port], such as https://qstash.upstash.io");
    if (parts->scheme != "https" && !is_loopback(parts->host))
        return from.problem(name, "must be https unless it names this machine: every call carries QSTASH_TOKEN");
    try {
        const qstash::client knows_best{{.url = *url, .token = "any"}};
    } catch (const std::invalid_argument& e) {
        return from.problem(name, e.what());
    }
    values.qstash_url = std::move(*url);
}

void read_qstash_token(settings_reader& from, settings& values, bool is_required) {
    const std::string name = "QSTASH_TOKEN";
    auto token = is_required ? from.required(name, "the token that the QStash console shows") : from.text(name);
    if (!token && !is_required)
        from.note("QSTASH_TOKEN is not set: the schedule route, `tidesync schedule` and `tidesync setup` need it");
    if (!token) return;
    if (token->starts_with("sig_")) return from.problem(name, "holds a signing key: the console shows the token apart");
    const bool visible = std::ranges::all_of(*token, [](unsigned char c) { return c > ' ' && c < 127; });
    if (!visible || token->starts_with('"') || token->starts_with('\''))
        return from.problem(name, "expected the token alone: visible ASCII characters, no quotes, no `Bearer`");
    values.qstash_token = secret{std::move(*token)};
}

void read_signing_keys(settings_reader& from, settings& values, bool insecure_dev) {
    key_reader{from, values, insecure_dev}.read();
}

void read_scheduler(settings_reader& from, settings& values, purpose what_for) {
    auto& scheduler = values.scheduler;
    scheduler.store = from.database("TIDESYNC_QSTASH_DATABASE_URL", what_for != purpose::migrate);
    if (what_for == purpose::migrate) return;
    for (auto& host : from.list("TIDESYNC_QSTASH_ALLOW_HOSTS")) scheduler.policy.hosts.push_back(std::move(host));
    if (const auto own = split_url(from.text("TIDESYNC_PUBLIC_URL").value_or(""))) // QStash exists to call it
        scheduler.policy.hosts.push_back(own->host);
    for (const auto& range : from.list("TIDESYNC_QSTASH_ALLOW_NETWORKS")) {
        try {
            scheduler.policy.networks.push_back(qstash::local::network::parse(range));
        } catch (const std::invalid_argument& e) {
            from.problem("TIDESYNC_QSTASH_ALLOW_NETWORKS", e.what());
        }
    }
    if (what_for == purpose::scheduler_dev) return;
    auto token = from.required("QSTASH_TOKEN", "what clients send as a bearer token: openssl rand -hex 32 makes one");
    if (token && token->size() < token_bytes_min)
        from.problem("QSTASH_TOKEN", fmt::format("expected at least {} characters", token_bytes_min));
    if (token) values.qstash_token = secret{std::move(*token)};
    read_signing_keys(from, values, false);
}

} // namespace tidesync::worker

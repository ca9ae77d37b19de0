#include "jobs/slave_to_prod/compare.hpp"

#include "jobs/slave_to_prod/statements.hpp"
#include "jobs/stores/postgres/failure.hpp"

#include <charconv>
#include <chrono>
#include <fmt/format.h>
#include <optional>

namespace tidesync::slave_to_prod {

namespace {

struct fingerprint {
    std::int64_t rows = 0;
    std::string hash;

    bool operator==(const fingerprint&) const = default;
};

fingerprint read_fingerprint(postgres::copy_session& session) {
    fingerprint result;
    const auto take = [&](std::string_view line) {
        const auto comma = std::min(line.find(','), line.size());
        std::from_chars(line.begin(), line.begin() + comma, result.rows);
        result.hash = line.substr(comma);
    };
    while (session.next(take)) {
    }
    return result;
}

struct hashes {
    std::int64_t key = 0;
    std::int64_t row = 0;

    auto operator<=>(const hashes&) const = default;
};

std::int64_t big_endian(std::string_view bytes) {
    std::uint64_t value = 0;
    for (const char byte : bytes.substr(0, 8)) value = value << 8U | static_cast<unsigned char>(byte);
    return static_cast<std::int64_t>(value);
}

/// Reads (key hash, row hash) pairs from a binary COPY. The format is PostgreSQL's documented one: a header with the
/// first row, then per row a field count and length-prefixed fields, and a trailer that is shorter than any row.
class hash_stream {
public:
    hash_stream(postgres::copy_session& session, std::int64_t& bytes)
        : session_{session}
        , bytes_{bytes} {}

    std::optional<hashes> next() {
        std::optional<hashes> pair;
        const auto take = [&](std::string_view row) {
            bytes_ += static_cast<std::int64_t>(row.size());
            if (row.starts_with(signature)) row.remove_prefix(header_size);
            if (row.size() < row_size) return; // the trailer
            pair = hashes{big_endian(row.substr(6)), big_endian(row.substr(18))};
        };
        while (!pair && session_.next(take)) {
        }
        return pair;
    }

private:
    static constexpr std::string_view signature{"PGCOPY\n\377\r\n\0", 11};
    static constexpr std::size_t header_size = 19; // signature, flags, length of an extension we never see
    static constexpr std::size_t row_size = 2 + 4 + 8 + 4 + 8;

    postgres::copy_session& session_;
    std::int64_t& bytes_;
};

void count_differences(hash_stream slave, hash_stream production, jobs::table_report& report) {
    auto theirs = slave.next();
    auto ours = production.next();
    while (theirs || ours) {
        if (theirs && (!ours || theirs->key < ours->key)) {
            ++report.missing;
            theirs = slave.next();
        } else if (ours && (!theirs || ours->key < theirs->key)) {
            ++report.extra;
            ours = production.next();
        } else {
            if (theirs->row != ours->row) ++report.different;
            theirs = slave.next();
            ours = production.next();
        }
    }
}

} // namespace

jobs::table_report
compare(const table_plan& table, bool portable, postgres::copy_session& slave, postgres::copy_session& production) {
    const auto start = std::chrono::steady_clock::now();
    jobs::table_report report;
    report.name = table.name.text();
    const auto activity = fmt::format("comparing {}", report.name);

    slave.start_reading(copy_fingerprint(table, true, portable), activity);
    production.start_reading(copy_fingerprint(table, false, portable), activity);
    const auto theirs = read_fingerprint(slave);
    const auto ours = read_fingerprint(production);
    report.total = theirs.rows;
    if (theirs != ours) {
        slave.start_reading(copy_hashes(table, true, portable), activity);
        production.start_reading(copy_hashes(table, false, portable), activity);
        count_differences({slave, report.bytes}, {production, report.bytes}, report);
    }
    report.unchanged = report.total - report.missing - report.different;
    report.took = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start);
    return report;
}

} // namespace tidesync::slave_to_prod

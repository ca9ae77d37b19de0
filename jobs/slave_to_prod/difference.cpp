#include "jobs/slave_to_prod/difference.hpp"

#include "jobs/slave_to_prod/images.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <optional>
#include <vector>

namespace tidesync::slave_to_prod {

namespace {

constexpr std::int64_t tell_every_rows = 64L * 1024;

struct words {
    std::int64_t key = 0;
    std::int64_t row = 0;
    row_place place;
};

std::uint64_t big_endian(std::string_view bytes) {
    std::uint64_t value = 0;
    for (const char byte : bytes) value = value << 8U | static_cast<unsigned char>(byte);
    return value;
}

/// Takes the fields of one row of binary COPY apart: a length of four bytes before each.
class field_reader {
public:
    explicit field_reader(std::string_view row)
        : rest_{row} {}

    /// Nothing when the row ends here, or with a null.
    std::optional<std::string_view> next() {
        if (rest_.size() < length_size) return std::nullopt;
        const auto length = static_cast<std::int32_t>(big_endian(rest_.substr(0, length_size)));
        if (length < 0 || rest_.size() - length_size < static_cast<std::size_t>(length)) return std::nullopt;
        const auto field = rest_.substr(length_size, static_cast<std::size_t>(length));
        rest_.remove_prefix(length_size + field.size());
        return field;
    }

private:
    static constexpr std::size_t length_size = 4;

    std::string_view rest_;
};

/// Reads words from a binary COPY. The format is PostgreSQL's documented one: a header with the first row, then per row
/// a field count and length-prefixed fields, and a trailer that is shorter than any row.
class word_stream {
public:
    word_stream(postgres::session& session, std::int64_t& bytes)
        : session_{session}
        , bytes_{bytes}
        , take_{[this](std::string_view row) { take(row); }} {}
    word_stream(const word_stream&) = delete;
    word_stream& operator=(const word_stream&) = delete;

    /// @returns null at the end; else valid until the next call
    const words* next() {
        read_ = false;
        while (!read_) {
            if (!session_.next(take_)) return nullptr;
        }
        return &words_;
    }

private:
    void take(std::string_view row) {
        bytes_ += static_cast<std::int64_t>(row.size());
        if (row.starts_with(signature)) row.remove_prefix(header_size);
        if (row.size() <= count_size) return; // the trailer
        field_reader fields{row.substr(count_size)};
        const auto key = fields.next();
        const auto word = fields.next();
        if (!key || !word || key->size() != sizeof(std::int64_t) || word->size() != sizeof(std::int64_t)) return;
        words_.key = static_cast<std::int64_t>(big_endian(*key));
        words_.row = static_cast<std::int64_t>(big_endian(*word));
        words_.place = {};
        if (const auto place = fields.next(); place && place->size() == 6) {
            words_.place.block = static_cast<std::uint32_t>(big_endian(place->substr(0, 4)));
            words_.place.offset = static_cast<std::uint16_t>(big_endian(place->substr(4)));
        }
        if (const auto partition = fields.next(); partition && partition->size() == 4)
            words_.place.table = static_cast<std::uint32_t>(big_endian(*partition));
        read_ = true;
    }

    static constexpr std::string_view signature{"PGCOPY\n\377\r\n\0", 11};
    static constexpr std::size_t header_size = 19; // signature, flags, length of an extension we never see
    static constexpr std::size_t count_size = 2;

    postgres::session& session_;
    std::int64_t& bytes_;
    std::function<void(std::string_view)> take_;
    words words_;
    bool read_ = false;
};

std::string activity_on(const table_plan& table) { return fmt::format("comparing {}", table.name.text()); }

} // namespace

void start_fingerprint(const table_plan& table, side where, bool portable, postgres::session& session) {
    session.start_reading(copy_fingerprint(table, where, portable), activity_on(table));
}

fingerprint read_fingerprint(postgres::session& session) {
    fingerprint result;
    const auto take = [&](std::string_view line) {
        const auto comma = std::min(line.find(','), line.size());
        std::int64_t word = 0;
        std::from_chars(line.begin(), line.begin() + comma, result.rows);
        std::from_chars(line.begin() + std::min(comma + 1, line.size()), line.end(), word);
        result.word = static_cast<std::uint64_t>(word);
    };
    while (session.next(take)) {
    }
    return result;
}

fingerprint ask_fingerprint(postgres::session& session, const std::string& sql, std::string activity) {
    const auto row = session.query(sql, std::move(activity)).at(0);
    return {.rows = number_in(row.at(0)), .word = static_cast<std::uint64_t>(number_in(row.at(1)))};
}

std::int64_t number_in(const std::optional<std::string>& field) noexcept {
    std::int64_t value = 0;
    if (field) std::from_chars(field->data(), field->data() + field->size(), value);
    return value;
}

fingerprints
take_fingerprints(const table_plan& table, bool portable, postgres::session& slave, postgres::session& production) {
    start_fingerprint(table, side::slave, portable, slave);
    start_fingerprint(table, side::production, portable, production);
    fingerprints result;
    result.slave = read_fingerprint(slave);
    result.production = read_fingerprint(production);
    return result;
}

bool highest_keys_differ(const table_plan& table, postgres::session& slave, postgres::session& production) {
    const auto ask = [&](postgres::session& session, side where) {
        return session.query(find_highest_key(table, where), activity_on(table)).at(0).at(0);
    };
    const auto theirs = ask(slave, side::slave);
    const auto ours = ask(production, side::production);
    return theirs && ours && *theirs != *ours;
}

difference find_difference(
    const table_plan& table, bool portable, postgres::session& slave, postgres::session& production,
    const difference_listener& listener) {
    const auto start = [&](postgres::session& session, side where, bool with_places) {
        session.start_reading(copy_words(table, where, portable, with_places), activity_on(table));
    };
    start(slave, side::slave, static_cast<bool>(listener.want));
    start(production, side::production, static_cast<bool>(listener.gone));
    const bool exact_keys = key_word_is_exact(table);
    std::vector<row_place> unpaired;
    difference result;
    word_stream their_rows{slave, result.bytes};
    word_stream our_rows{production, result.bytes};
    const auto* theirs = their_rows.next();
    const auto* ours = our_rows.next();
    while (theirs != nullptr || ours != nullptr) {
        // Nearly always one row on each side. Where the words of several keys meet (numeric hashes NaN and the
        // infinities alike), rows that have the same word on both sides belong together.
        const auto key = ours == nullptr || (theirs != nullptr && theirs->key < ours->key) ? theirs->key : ours->key;
        const auto here = [key](const words* row) { return row != nullptr && row->key == key; };
        std::int64_t only_theirs = 0;
        std::int64_t only_ours = 0;
        unpaired.clear();
        while (here(theirs) || here(ours)) {
            const bool both = here(theirs) && here(ours) && theirs->row == ours->row;
            const bool take_theirs = both || (here(theirs) && (!here(ours) || theirs->row < ours->row));
            if (!both && take_theirs) {
                ++only_theirs;
                if (listener.want) listener.want({theirs->place, static_cast<std::uint64_t>(theirs->row)});
            }
            if (!take_theirs) {
                ++only_ours;
                if (listener.gone) unpaired.push_back(ours->place);
            }
            if (take_theirs) {
                result.slave.add(static_cast<std::uint64_t>(theirs->row));
                if (result.slave.rows % tell_every_rows == 0 && listener.compared) listener.compared(result.slave.rows);
                theirs = their_rows.next();
            }
            if (both || !take_theirs) {
                ++result.production_rows;
                ours = our_rows.next();
            }
        }
        const auto pairs = std::min(only_theirs, only_ours);
        result.different += pairs;
        result.missing += only_theirs - pairs;
        result.extra += only_ours - pairs;
        // A number that is its own word says that both have the row; a hash may also have met another's.
        if (pairs == 0 || !exact_keys)
            for (const auto& place : unpaired) listener.gone(place);
    }
    return result;
}

} // namespace tidesync::slave_to_prod

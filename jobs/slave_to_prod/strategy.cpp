#include "jobs/slave_to_prod/strategy.hpp"

#include "jobs/slave_to_prod/images.hpp"

namespace tidesync::slave_to_prod {

namespace {

bool is_told_apart(const table_plan& table) { return table.key_unique_on_slave && table.key_unique_in_production; }

constexpr std::int64_t picked_rows_free = 10'000; // so many can always be picked out
constexpr std::int64_t picked_share = 4;          // and a quarter of the table

} // namespace

std::string_view to_string(strategy how) noexcept {
    switch (how) {
    case strategy::equal:
        return "equal";
    case strategy::rows:
        return "rows";
    case strategy::whole:
        return "whole";
    case strategy::load:
        break;
    }
    return "load";
}

bool may_load(const table_plan& table) noexcept {
    return is_told_apart(table) && table.rewriters.empty() && table.mark.column.empty();
}

bool may_skip_fingerprint(const table_plan& table) noexcept {
    return is_told_apart(table) && table.rows_have_places && table.bytes > small_bytes_max &&
           table.estimated_rows > 0 && table.filter.empty() && table.mark.column.empty() && key_word_is_exact(table);
}

strategy choose_strategy(const table_plan& table, const fingerprints& found) noexcept {
    if (found.equal()) return strategy::equal;
    if (found.slave.rows == 0) return table.deletes == delete_policy::off ? strategy::equal : strategy::whole;
    if (!is_told_apart(table) || !table.rows_have_places || table.bytes <= small_bytes_max ||
        is_cheaper_whole(found.slave.rows - found.production.rows, found.slave.rows))
        return strategy::whole;
    return strategy::rows;
}

bool is_cheaper_whole(std::int64_t wanted_rows, std::int64_t slave_rows) noexcept {
    return wanted_rows > picked_rows_free && wanted_rows > slave_rows / picked_share;
}

} // namespace tidesync::slave_to_prod

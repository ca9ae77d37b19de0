#include "tests/jobs/random_rows.hpp"

#include <algorithm>

namespace tidesync::tests {

namespace {

class row_maker {
public:
    row_maker(const random_shapes& shapes, dice& chance, std::set<std::string>& features)
        : shapes_{shapes}
        , chance_{chance}
        , features_{features}
        , all_(shapes.size()) {}

    std::vector<random_rows> make() {
        for (std::size_t i = 0; i < shapes_.size(); ++i) all_[i].slave = slave_rows(shapes_[i]);
        for (std::size_t i = 0; i < shapes_.size(); ++i)
            for (auto& row : all_[i].slave) refer(shapes_[i], row, &random_rows::slave);
        for (std::size_t i = 0; i < shapes_.size(); ++i) make_production(shapes_[i], all_[i]);
        for (std::size_t i = 0; i < shapes_.size(); ++i) refer_in_production(shapes_[i], all_[i]);
        return std::move(all_);
    }

private:
    using rows_of_a_side = std::vector<random_row> random_rows::*;

    // -- one row ------------------------------------------------------------------------------------------------------

    random_row new_row(const random_shape& shape, std::size_t number, std::size_t unique_number) {
        random_row row;
        row.key.number = number;
        row.base = number;
        if (shape.has_spellings()) row.key.spelling = chance_.below(2);
        for (const auto& column : shape.columns) {
            row.cells.push_back(any_value(*column.type, column.not_null, chance_));
            if (row.cells.back() != nothing && row.cells.back() >= column.type->values.size())
                features_.insert("a text of 100 kB");
        }
        for (const auto& unique : shape.uniques) row.uniques.push_back(new_unique_value(unique, unique_number));
        row.references.resize(shape.references.size());
        return row;
    }

    unique_value new_unique_value(const unique_column& column, std::size_t number) {
        unique_value value{.number = number};
        const bool is_null = chance_.one_in(5);
        const bool is_idle = chance_.one_in(4);
        if (!column.condition.empty() && is_idle) {
            value.counts = false;
            value.number = chance_.below(number + 1); // what another row has as well
        } else if (is_null && !column.not_null && column.rule != unique_rule::one_null) {
            value.number = nothing;
        }
        return value;
    }

    void refer(const random_shape& shape, random_row& row, rows_of_a_side side) {
        for (std::size_t i = 0; i < shape.references.size(); ++i)
            row.references[i] = any_key(shape.references[i], side);
    }

    numbered_value any_key(const reference& reference, rows_of_a_side side) {
        const auto& rows = all_[reference.to].*side;
        if (rows.empty() || chance_.one_in(5)) return {};
        numbered_value key{.number = chance_.pick(rows).key.number};
        if (shapes_[reference.to].has_spellings()) key.spelling = chance_.below(2);
        return key;
    }

    void change(const random_shape& shape, random_row& row) {
        const auto times = 1 + chance_.below(3);
        for (std::size_t i = 0; i < times; ++i) {
            const auto what = chance_.below(6);
            if (what == 0 && shape.has_spellings()) {
                row.key.spelling ^= 1U;
                features_.insert("a key that is spelled otherwise");
            } else if (what == 1 && shape.twice != generated::nowhere) {
                row.base = chance_.below(100);
            } else if (what == 2 && !row.uniques.empty()) {
                change(shape, row.uniques);
            } else {
                change(shape, row.cells);
            }
        }
    }

    void change(const random_shape& shape, std::vector<std::size_t>& cells) {
        const auto place = chance_.below(cells.size());
        const auto& column = shape.columns[place];
        const auto before = cells[place];
        cells[place] = other_value(*column.type, before, column.not_null, chance_);
        if (before != cells[place] && before < column.type->twins && cells[place] == (before ^ 1U))
            features_.insert("a value that only its image tells apart");
    }

    /// Other than by moving: in another spelling, or no longer counted.
    void change(const random_shape& shape, std::vector<unique_value>& values) {
        const auto place = chance_.below(values.size());
        if (shape.uniques[place].rule == unique_rule::lower) values[place].spelling ^= 1U;
        if (!shape.uniques[place].condition.empty()) values[place].counts = !values[place].counts;
    }

    // -- all rows of a table ------------------------------------------------------------------------------------------

    std::vector<random_row> slave_rows(const random_shape& shape) {
        static const std::vector<std::size_t> sizes{0, 1, 5, 5, 5, 60, 60, 60};
        const auto size = std::min(chance_.pick(sizes), own_numbers(shape));
        std::vector<random_row> rows;
        for (std::size_t i = 0; i < size; ++i) rows.push_back(new_row(shape, i, i));
        return rows;
    }

    void make_production(const random_shape& shape, random_rows& rows) {
        const auto how = chance_.below(10);
        rows.began = how == 0 ? beginning::empty : how == 1 ? beginning::equal : beginning::older;
        if (rows.began == beginning::empty) return;
        if (rows.began == beginning::equal) {
            rows.production = rows.slave;
            return;
        }
        std::vector<random_row> missing;
        for (const auto& row : rows.slave) {
            const auto fate = chance_.below(10);
            if (fate >= 8) {
                missing.push_back(row);
                continue;
            }
            rows.production.push_back(row);
            if (fate >= 5) change(shape, rows.production.back());
        }
        for (std::size_t i = 0; i < shape.uniques.size(); ++i)
            move_values(shape.uniques[i], i, rows.production, missing);
        add_own_rows(shape, rows);
    }

    void add_own_rows(const random_shape& shape, random_rows& rows) {
        const auto first = own_numbers(shape);
        const auto count = std::min(chance_.below(rows.slave.size() / 4 + 3), shape.rows_max() - first);
        for (std::size_t i = 0; i < count; ++i) {
            rows.production.push_back(new_row(shape, first + i, unique_numbers_of_production + i));
            for (auto& unique : rows.production.back().uniques)
                if (!unique.counts) unique = {.number = unique_numbers_of_production + i};
            features_.insert("rows that only production has");
        }
    }

    void refer_in_production(const random_shape& shape, random_rows& rows) {
        for (auto& row : rows.production) {
            const bool own = row.key.number >= own_numbers(shape);
            const bool other = rows.began == beginning::older && chance_.one_in(6);
            if (own || other) refer(shape, row, &random_rows::production);
        }
    }

    // -- unique values that are elsewhere in production ---------------------------------------------------------------

    /// @param shared   rows of production that the slave has as well
    /// @param missing  rows of the slave that production lacks
    void move_values(
        const unique_column& column, std::size_t place, std::vector<random_row>& shared,
        const std::vector<random_row>& missing) {
        if (chance_.one_in(3)) return;
        std::vector<unique_value*> held;
        for (auto& row : shared)
            if (auto& value = row.uniques[place]; value.counts && value.number != nothing) held.push_back(&value);
        std::vector<std::size_t> free;
        for (const auto& row : missing)
            if (const auto& value = row.uniques[place]; value.counts && value.number != nothing)
                free.push_back(value.number);
        const auto times = 1 + chance_.below(4);
        for (std::size_t i = 0; i < times && held.size() >= 3; ++i) move_value(column, held, free);
    }

    void move_value(const unique_column& column, std::vector<unique_value*>& held, std::vector<std::size_t>& free) {
        // Three values of different rows, in any order.
        for (std::size_t i = 0; i < 3; ++i) std::swap(held[i], held[i + chance_.below(held.size() - i)]);
        auto& a = held[0]->number;
        auto& b = held[1]->number;
        auto& c = held[2]->number;
        switch (chance_.below(4)) {
        case 0:
            std::swap(a, b);
            features_.insert("unique values that two rows swap");
            break;
        case 1:
            std::swap(a, b);
            std::swap(b, c);
            features_.insert("unique values that go round");
            break;
        case 2:
            if (free.empty()) break;
            a = free.back();
            free.pop_back();
            features_.insert("a unique value that moves to a new row");
            break;
        default:
            a = b;
            b = unique_numbers_of_production + 10'000 + moved_++;
            if (!column.not_null && column.rule != unique_rule::one_null && chance_.one_in(2)) {
                b = nothing;
                held.erase(held.begin() + 1); // it holds nothing that could move on
            }
            features_.insert("a unique value that moves to another row");
        }
    }

    static constexpr std::size_t unique_numbers_of_production = 500'000;

    const random_shapes& shapes_;
    dice& chance_;
    std::set<std::string>& features_;
    std::vector<random_rows> all_;
    std::size_t moved_ = 0;
};

} // namespace

std::size_t own_numbers(const random_shape& shape) { return std::min<std::size_t>(500'000, shape.rows_max() * 5 / 8); }

std::vector<random_rows> choose_rows(const random_shapes& shapes, dice& chance, std::set<std::string>& features) {
    return row_maker{shapes, chance, features}.make();
}

} // namespace tidesync::tests

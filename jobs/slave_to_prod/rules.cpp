#include "jobs/slave_to_prod/rules.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <fmt/format.h>

namespace tidesync::slave_to_prod {

namespace {

/// What SQL says of the moment, of chance, of who asks and of other tables: the two sides are asked at different
/// moments by different roles, and the slave twice.
constexpr std::array<std::string_view, 14> fickle_words{"current_timestamp",
                                                        "current_date",
                                                        "current_time",
                                                        "localtime",
                                                        "localtimestamp",
                                                        "current_user",
                                                        "session_user",
                                                        "current_role",
                                                        "current_catalog",
                                                        "current_schema",
                                                        "user",
                                                        "select",
                                                        "table",
                                                        "with"};
constexpr std::array<std::string_view, 15> fickle_functions{
    "now",
    "age",
    "clock_timestamp",
    "transaction_timestamp",
    "statement_timestamp",
    "timeofday",
    "random",
    "gen_random_uuid",
    "nextval",
    "txid_current",
    "pg_sleep",
    "set_config",
    "current_setting",
    "current_database",
    "pg_backend_pid"};
constexpr std::array<std::string_view, 4> fickle_literals{"now", "today", "tomorrow", "yesterday"};

template <std::size_t N>
bool is_one_of(const std::array<std::string_view, N>& words, std::string_view word) {
    return std::ranges::find(words, word) != words.end();
}

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

/// Walks a condition, past literals and quoted names.
class filter_reader {
public:
    explicit filter_reader(std::string_view text)
        : rest_{text} {}

    std::string find_problem() {
        while (!rest_.empty()) {
            const char c = rest_.front();
            if (c == '\'' || c == '"') {
                const auto text = take_quoted(c);
                if (!text) return fmt::format("a {} is never closed", c);
                if (c == '"')
                    names_.push_back(*text);
                else if (is_one_of(fickle_literals, lower(*text)))
                    return another_answer("'" + *text + "'");
            } else if (c == ';' || c == '$' || c == '\\' || rest_.starts_with("--") || rest_.starts_with("/*")) {
                return fmt::format(
                    "`{}` cannot be in it", c == '-' || c == '/' ? rest_.substr(0, 2) : rest_.substr(0, 1));
            } else if (c == '(' || c == ')') {
                depth_ += c == '(' ? 1 : -1;
                if (depth_ < 0) return "a ) closes nothing";
                rest_.remove_prefix(1);
            } else if (is_word(c)) {
                const auto word = take_word();
                const bool called =
                    rest_.substr(std::min(rest_.find_first_not_of(" \t\r\n"), rest_.size())).starts_with('(');
                if (is_one_of(fickle_words, word) || (called && is_one_of(fickle_functions, word)))
                    return another_answer(word);
                names_.push_back(word);
            } else {
                // `:now` is ours; `::now` would be a cast to a type of that name.
                if (rest_.starts_with(filter_time) && last_ != ':') rest_.remove_prefix(filter_time.size() - 1);
                last_ = rest_.front();
                rest_.remove_prefix(1);
                continue;
            }
            last_ = c;
        }
        return depth_ > 0 ? "a ( is never closed" : "";
    }

    /// As far as it was read.
    [[nodiscard]] std::vector<std::string> names() const { return names_; }

private:
    static std::string another_answer(std::string_view word) {
        return fmt::format(
            "`{}` has another answer when or where it is asked: compare the table's columns with constants, and with "
            "{} "
            "for the time",
            word, filter_time);
    }

    static std::string lower(std::string text) {
        for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
        return text;
    }

    /// @returns nothing when it is never closed
    std::optional<std::string> take_quoted(char quote) {
        const auto end = rest_.find(quote, 1); // a doubled one begins the next literal at once
        if (end == std::string_view::npos) return std::nullopt;
        std::string text{rest_.substr(1, end - 1)};
        rest_.remove_prefix(end + 1);
        return text;
    }

    std::string take_word() {
        std::string word;
        while (!rest_.empty() && is_word(rest_.front())) {
            word += rest_.front();
            rest_.remove_prefix(1);
        }
        return lower(std::move(word));
    }

    std::string_view rest_;
    std::vector<std::string> names_;
    int depth_ = 0;
    char last_ = ' ';
};

} // namespace

table_settings settings_of(const table_rules& rules, const table_name& name) {
    table_settings result{.guards = rules.guards};
    const auto text = name.text();
    for (const auto& rule : rules.tables) {
        if (!matches(rule.pattern, text)) continue;
        if (!rule.key.empty()) result.key = rule.key;
        if (!rule.skip_columns.empty()) result.skip_columns = rule.skip_columns;
        if (!rule.where.empty()) result.where = rule.where;
        if (!rule.soft_column.empty()) result.soft_column = rule.soft_column;
        result.deletes = rule.deletes.value_or(result.deletes);
        auto& guards = result.guards;
        guards.changed_percent_max = rule.changed_percent_max.value_or(guards.changed_percent_max);
        guards.deleted_percent_max = rule.deleted_percent_max.value_or(guards.deleted_percent_max);
        guards.rows_min = rule.rows_min.value_or(guards.rows_min);
        guards.empty_source_stops = rule.empty_source_stops.value_or(guards.empty_source_stops);
    }
    return result;
}

bool may_delete(const table_rules& rules) {
    return std::ranges::any_of(rules.tables, [](const table_rule& rule) {
        return rule.deletes.value_or(delete_policy::off) != delete_policy::off;
    });
}

std::vector<std::string> groups_of(const table_rules& rules, const table_name& name) {
    const auto text = name.text();
    std::vector<std::string> found;
    for (const auto& group : rules.groups)
        if (std::ranges::any_of(group.tables, [&](const auto& pattern) { return matches(pattern, text); }))
            found.push_back(group.name);
    return found;
}

bool is_selected(const table_rules& rules, const table_name& name) {
    if (!is_included(rules, name)) return false;
    const auto groups = groups_of(rules, name);
    return rules.group.empty() ? groups.empty() : std::ranges::find(groups, rules.group) != groups.end();
}

std::string job_of_group(std::string_view group) {
    return group.empty() ? "slave-to-prod" : fmt::format("slave-to-prod-{}", group);
}

bool is_group_name(std::string_view name) {
    const auto is_letter = [](char c) { return c >= 'a' && c <= 'z'; };
    const auto fits = [&](char c) { return is_letter(c) || (c >= '0' && c <= '9') || c == '-'; };
    return !name.empty() && name.size() <= 32 && is_letter(name.front()) && std::ranges::all_of(name, fits);
}

bool is_included(const table_rules& rules, const table_name& name) {
    const auto text = name.text();
    const auto matches_text = [&](const std::string& pattern) { return matches(pattern, text); };
    return std::ranges::any_of(rules.include, matches_text) && std::ranges::none_of(rules.exclude, matches_text);
}

bool matches(std::string_view pattern, std::string_view name) {
    // The classic two-pointer match: on a mismatch, let the last `*` swallow one more character.
    std::size_t p = 0;
    std::size_t n = 0;
    auto star = std::string_view::npos;
    std::size_t swallowed = 0;
    while (n < name.size()) {
        if (p < pattern.size() && pattern[p] == '*') {
            star = p++;
            swallowed = n;
        } else if (p < pattern.size() && pattern[p] == name[n]) {
            ++p;
            ++n;
        } else if (star != std::string_view::npos) {
            p = star + 1;
            n = ++swallowed;
        } else {
            return false;
        }
    }
    while (p < pattern.size() && pattern[p] == '*') ++p;
    return p == pattern.size();
}

std::string problem_with_filter(std::string_view condition) {
    if (condition.find_first_not_of(" \t\r\n") == std::string_view::npos) return "it is empty";
    return filter_reader{condition}.find_problem();
}

std::vector<std::string> names_in_filter(std::string_view condition) {
    filter_reader reader{condition};
    static_cast<void>(reader.find_problem());
    return reader.names();
}

std::string filter_at(std::string_view condition, std::string_view now) {
    std::string text;
    char quote = 0;
    for (std::size_t i = 0; i < condition.size(); ++i) {
        const char c = condition[i];
        if (quote != 0) {
            if (c == quote) quote = 0;
        } else if (c == '\'' || c == '"') {
            quote = c;
        } else if (condition.substr(i).starts_with(filter_time) && (i == 0 || condition[i - 1] != ':')) {
            const auto end = i + filter_time.size();
            if (end == condition.size() || !is_word(condition[end])) {
                text += now;
                i = end - 1;
                continue;
            }
        }
        text += c;
    }
    return text;
}

} // namespace tidesync::slave_to_prod

#include "qstash/local/retry_delay.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace tidesync::qstash::local {
namespace {

constexpr std::size_t text_bytes_max = 1024;
constexpr int levels_max = 64; // of parentheses, functions and minus signs: each is a call of the reader by itself
constexpr std::chrono::milliseconds delay_max = std::chrono::days{1};

double smaller(double a, double b) { return std::isnan(a) || std::isnan(b) ? std::nan("") : std::min(a, b); }
double larger(double a, double b) { return std::isnan(a) || std::isnan(b) ? std::nan("") : std::max(a, b); }

enum class kind { number, retried, unary, binary };

/// Takes its operands from a stack and puts its result there.
struct step {
    kind what;
    double number = 0;
    double (*unary)(double) = nullptr;
    double (*binary)(double, double) = nullptr;
};

constexpr step unary(double (*compute)(double)) { return {.what = kind::unary, .unary = compute}; }
constexpr step binary(double (*compute)(double, double)) { return {.what = kind::binary, .binary = compute}; }

struct function {
    std::string_view name;
    step call;
};
constexpr std::array<function, 9> functions{{
    {"pow", binary([](double x, double y) { return std::pow(x, y); })},
    {"sqrt", unary([](double x) { return std::sqrt(x); })},
    {"abs", unary([](double x) { return std::abs(x); })},
    {"exp", unary([](double x) { return std::exp(x); })},
    {"floor", unary([](double x) { return std::floor(x); })},
    {"ceil", unary([](double x) { return std::ceil(x); })},
    {"round", unary([](double x) { return std::round(x); })},
    {"min", binary(smaller)},
    {"max", binary(larger)},
}};

/// Descends through the grammar, a function for each of its rules, and writes the steps in the order in which they are
/// to be done.
class reader {
public:
    explicit reader(std::string_view text)
        : text_(text) {}

    std::vector<step> read() {
        sum();
        if (position_ < text_.size()) refuse("an operator or the end");
        return std::move(steps_);
    }

private:
    // sum := product (('+'|'-') product)*
    void sum() {
        for (product();;) {
            if (take('+'))
                then(&reader::product, [](double x, double y) { return x + y; });
            else if (take('-'))
                then(&reader::product, [](double x, double y) { return x - y; });
            else
                return;
        }
    }

    // product := value (('*'|'/') value)*
    void product() {
        for (value();;) {
            if (take('*'))
                then(&reader::value, [](double x, double y) { return x * y; });
            else if (take('/'))
                then(&reader::value, [](double x, double y) { return x / y; });
            else
                return;
        }
    }

    void then(void (reader::*read_operand)(), double (*compute)(double, double)) {
        (this->*read_operand)();
        emit(binary(compute));
    }

    // value := '-' value | '(' sum ')' | number | 'retried' | name '(' sum (',' sum)? ')'
    void value() {
        if (++level_ > levels_max)
            throw std::invalid_argument(fmt::format("retry delay nests deeper than {} levels", levels_max));
        if (take('-')) {
            value();
            emit(unary([](double x) { return -x; }));
        } else if (take('(')) {
            sum();
            expect(')');
        } else if (!number()) {
            name();
        }
        --level_;
    }

    bool number() {
        skip_blanks();
        // Only from a digit or a point on: from_chars knows "inf" and "nan", too.
        if (position_ == text_.size() ||
            std::string_view("0123456789.").find(text_[position_]) == std::string_view::npos)
            return false;
        double read = 0;
        const auto* begin = text_.data() + position_;
        const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), read);
        if (error != std::errc{}) refuse("a number that a double can hold");
        position_ += static_cast<std::size_t>(end - begin);
        emit({.what = kind::number, .number = read});
        return true;
    }

    void name() {
        const auto end = std::min(text_.find_first_not_of("abcdefghijklmnopqrstuvwxyz", position_), text_.size());
        const auto word = text_.substr(position_, end - position_);
        const auto known = std::ranges::find(functions, word, &function::name);
        if (word != "retried" && known == functions.end()) refuse("a number, retried, a function or (");
        position_ = end;
        if (word == "retried") return emit({.what = kind::retried});

        expect('(');
        sum();
        if (known->call.what == kind::binary) {
            expect(',');
            sum();
        }
        expect(')');
        emit(known->call);
    }

    void emit(const step& next) { steps_.push_back(next); }

    void skip_blanks() { position_ = std::min(text_.find_first_not_of(" \t", position_), text_.size()); }

    bool take(char wanted) {
        skip_blanks();
        if (position_ == text_.size() || text_[position_] != wanted) return false;
        ++position_;
        return true;
    }

    void expect(char wanted) {
        if (!take(wanted)) refuse(std::string_view(&wanted, 1));
    }

    [[noreturn]] void refuse(std::string_view expected) const {
        throw std::invalid_argument(fmt::format("retry delay: expected {} at character {}", expected, position_ + 1));
    }

    std::string_view text_;
    std::size_t position_ = 0;
    int level_ = 0;
    std::vector<step> steps_;
};

} // namespace

struct retry_delay_expression::program {
    std::vector<step> steps;
};

retry_delay_expression::retry_delay_expression(std::shared_ptr<const program> read)
    : program_(std::move(read)) {}

retry_delay_expression retry_delay_expression::parse(std::string_view text) {
    if (text.size() > text_bytes_max)
        throw std::invalid_argument(fmt::format("retry delay has more than {} bytes", text_bytes_max));
    return retry_delay_expression{std::make_shared<const program>(program{reader(text).read()})};
}

std::chrono::milliseconds retry_delay_expression::evaluate(int retried) const {
    std::vector<double> stack;
    for (const auto& step : program_->steps) {
        if (step.what == kind::number) {
            stack.push_back(step.number);
        } else if (step.what == kind::retried) {
            stack.push_back(retried);
        } else if (step.what == kind::unary) {
            stack.back() = step.unary(stack.back());
        } else {
            const double right = stack.back();
            stack.pop_back();
            stack.back() = step.binary(stack.back(), right);
        }
    }
    const double result = stack.back();
    constexpr auto most = static_cast<double>(delay_max.count());
    if (std::isnan(result) || result >= most) return delay_max;
    return std::chrono::milliseconds{static_cast<std::chrono::milliseconds::rep>(std::max(result, 0.0))};
}

} // namespace tidesync::qstash::local

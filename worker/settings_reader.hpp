#pragma once

#include "worker/settings.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// For the files that read settings, and for nobody else.
namespace tidesync::worker {

/// Reads one setting after the other and remembers what was wrong with each.
class settings_reader {
public:
    /// Both must outlive the reader.
    settings_reader(const environment&, loading& into);

    void problem(std::string_view name, std::string_view what);
    void note(std::string what);

    /// Whether somebody set it at all, well or not.
    [[nodiscard]] bool given(const std::string& name) const;

    /// The variable, or the contents of the file that `<name>_FILE` names. Empty is as good as not set, of both.
    std::optional<std::string> text(const std::string& name);

    /// The same; not set is a problem.
    std::optional<std::string> required(const std::string& name, std::string_view expected);

    /// Separated by commas, without the blanks around them.
    std::vector<std::string> list(const std::string& name);

    postgres::address database(const std::string& name, bool is_required);

    /// @param most  seconds
    void seconds(const std::string& name, std::chrono::seconds& value, int most);

private:
    /// The variable as it is, if it is set to something.
    [[nodiscard]] const std::string* variable(const std::string& name) const;
    std::optional<std::string> from_file(const std::string& name, const std::string& path);

    const environment& env_;
    loading& into_;
};

struct url_parts {
    std::string scheme; ///< http or https
    std::string host;   ///< without brackets
    bool plain = false; ///< no user, query or fragment
};

/// @returns nothing for what is no http(s) URL of visible ASCII characters, or has a port that is none
[[nodiscard]] std::optional<url_parts> split_url(const std::string& url);

} // namespace tidesync::worker

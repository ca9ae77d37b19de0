#include "tests/support/process.hpp"

#include "tests/support/database.hpp"

#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <spawn.h>
#include <sstream>
#include <stdexcept>
#include <stdlib.h> // NOLINT(modernize-deprecated-headers): mkdtemp is POSIX
#include <sys/wait.h>
#include <thread>

namespace tidesync::tests {

namespace {

std::string contents(const std::string& path) {
    std::ifstream stream{path, std::ios::binary};
    std::stringstream text;
    text << stream.rdbuf();
    return text.str();
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> result;
    for (auto& text : texts) result.push_back(text.data());
    result.push_back(nullptr);
    return result;
}

} // namespace

process::process(const std::vector<std::string>& arguments, const variables& environment) {
    folder_ = (std::filesystem::temp_directory_path() / "tidesync-test-XXXXXX").string();
    if (mkdtemp(folder_.data()) == nullptr) throw std::runtime_error{"cannot make a temporary folder"};

    auto words = arguments;
    std::vector<std::string> assignments{"PATH=/usr/bin:/bin"};
    if (const char* options = std::getenv("LSAN_OPTIONS")) // NOLINT(concurrency-mt-unsafe): nobody changes it
        assignments.push_back(std::string{"LSAN_OPTIONS="} + options);
    for (const auto& [name, value] : environment) assignments.push_back(name + '=' + value);
    auto argv = pointers(words);
    auto envp = pointers(assignments);

    posix_spawn_file_actions_t actions{};
    posix_spawn_file_actions_init(&actions);
    constexpr int flags = O_WRONLY | O_CREAT | O_TRUNC;
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, (folder_ + "/out").c_str(), flags, 0600);
    posix_spawn_file_actions_addopen(&actions, 2, (folder_ + "/err").c_str(), flags, 0600);
    const int failed = posix_spawn(&id_, words.front().c_str(), &actions, nullptr, argv.data(), envp.data());
    posix_spawn_file_actions_destroy(&actions);
    if (failed != 0) throw std::runtime_error{fmt::format("cannot start {}", words.front())};
}

process::~process() {
    if (!status_) {
        signal(SIGKILL);
        wait(std::chrono::seconds{10});
    }
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
}

void process::signal(int number) const {
    if (!status_) ::kill(id_, number);
}

std::optional<int> process::wait(std::chrono::milliseconds patience) {
    const auto until = std::chrono::steady_clock::now() + patience;
    while (!status_) {
        int raw = 0;
        if (::waitpid(id_, &raw, WNOHANG) == id_)
            status_ = WIFEXITED(raw) ? WEXITSTATUS(raw) : 128 + WTERMSIG(raw);
        else if (std::chrono::steady_clock::now() > until)
            return std::nullopt;
        else
            std::this_thread::sleep_for(std::chrono::milliseconds{5});
    }
    return status_;
}

bool process::is_stopped() const {
    const auto state = contents(fmt::format("/proc/{}/stat", id_));
    return state.find(") T ") != std::string::npos;
}

std::string process::out() const { return contents(folder_ + "/out"); }

std::string process::err() const { return contents(folder_ + "/err"); }

std::string tidesync_binary() { return required_variable("TIDESYNC_BINARY"); }

finished run_tidesync(const std::vector<std::string>& arguments, const variables& environment) {
    auto words = arguments;
    words.insert(words.begin(), tidesync_binary());
    process running{words, environment};
    const auto status = running.wait(std::chrono::seconds{60});
    if (!status) throw std::runtime_error{fmt::format("tidesync {} does not end", arguments.front())};
    return {*status, running.out(), running.err()};
}

} // namespace tidesync::tests

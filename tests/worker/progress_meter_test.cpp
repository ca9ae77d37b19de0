#include "worker/progress_meter.hpp"

#include "tests/catch.hpp"

#include <nlohmann/json.hpp>

using namespace std::chrono_literals;
using tidesync::worker::progress;
using tidesync::worker::progress_meter;
using tidesync::worker::progress_text;
using tidesync::worker::rough_time;

namespace {

const progress_meter::time start{1h};

} // namespace

TEST_CASE("progress adds up the rows of tables that are read at the same time", "[progress]") {
    progress_meter meter;
    meter.phase("stage", start);
    meter.expect(10'000, true);
    meter.rows("public.orders", 1'000, 6'000);
    meter.rows("public.lines", 500, 4'000);
    meter.rows("public.orders", 2'000, 6'000);
    const auto now = meter.at(start + 10s);
    CHECK(now.phase == "stage");
    CHECK(now.item == "public.orders");
    CHECK(now.rows == 2'000);
    CHECK(now.rows_expected == 6'000);
    CHECK(now.phase_rows == 2'500);
    CHECK(now.phase_rows_expected == 10'000);
    CHECK(now.rows_per_s == 250);
    CHECK(now.left == 30s);
}

TEST_CASE("progress of a table that is begun again does not count its rows twice", "[progress]") {
    progress_meter meter;
    meter.phase("apply", start);
    meter.expect(100, true);
    meter.rows("public.orders", 80, 100);
    meter.rows("public.orders", 0, 100);
    meter.rows("public.orders", 10, 100);
    CHECK(meter.at(start).phase_rows == 10);
}

TEST_CASE("progress does not say what nobody can know", "[progress]") {
    progress_meter meter;
    meter.phase("compare", start);
    meter.expect(100, true);
    CHECK(meter.at(start + 1h).rows_per_s == 0);
    CHECK_FALSE(meter.at(start + 1h).left);

    meter.rows("public.orders", 50, 100);
    CHECK_FALSE(meter.at(start + 1s).left); // too young
    CHECK(meter.at(start + 2s).left == 2s);

    meter.rows("public.orders", 150, 100); // the estimate was wrong
    const auto beyond = meter.at(start + 3s);
    CHECK(beyond.rows_expected == 150);
    CHECK(beyond.phase_rows_expected == 150);
    CHECK_FALSE(beyond.left);

    meter.phase("stage", start + 3s); // nothing is known of this one
    CHECK(meter.at(start + 9s).phase_rows_expected == 0);
    CHECK(meter.at(start + 9s).item.empty());
}

TEST_CASE("progress foretells nothing where rows are told of a table at a time", "[progress]") {
    progress_meter meter;
    meter.phase("compare", start);
    meter.expect(1'000'000, false);
    meter.rows("public.small", 100'000, 100'000);
    const auto now = meter.at(start + 1h);
    CHECK(now.rows_per_s == 0);
    CHECK_FALSE(now.left);
    CHECK(progress_text(now) == "compare 10 %, public.small 100000 of 100000 rows");

    meter.phase("stage", start);
    meter.expect(1'000'000, true);
    meter.rows("public.small", 20'000, 1'000'000);
    CHECK(meter.at(start + 1min).rows_per_s == 333);
    CHECK_FALSE(meter.at(start + 1min).left); // a beginning says little
    meter.rows("public.small", 40'000, 1'000'000);
    CHECK(meter.at(start + 1min).left == 24min);
}

TEST_CASE("progress is told in one line, from the document that the run store keeps", "[progress]") {
    progress_meter meter;
    meter.phase("stage", start);
    CHECK(progress_text(meter.at(start)) == "stage");
    meter.expect(1'000'000, true);
    meter.rows("public.orders", 250'000, 500'000);
    const nlohmann::json kept = meter.at(start + 100s);
    CHECK(
        progress_text(kept.get<progress>()) ==
        "stage 25 %, public.orders 250000 of 500000 rows, 2500 rows/s, 5 min left");
    CHECK(progress_text(nlohmann::json{{"phase", "plan"}}.get<progress>()) == "plan");
}

TEST_CASE("times to come are rough", "[progress]") {
    CHECK(rough_time(0s) == "0 s");
    CHECK(rough_time(119s) == "119 s");
    CHECK(rough_time(2min) == "2 min");
    CHECK(rough_time(119min) == "119 min");
    CHECK(rough_time(200min) == "3 h 20 min");
}

#pragma once

#include "jobs/job.hpp"
#include "jobs/report.hpp"
#include "jobs/slave_to_prod/difference.hpp"
#include "jobs/slave_to_prod/plan.hpp"
#include "jobs/slave_to_prod/sides.hpp"
#include "jobs/slave_to_prod/stage.hpp"
#include "jobs/stores/postgres/session.hpp"

/// How the rows of one table land inside production's transaction, and how it is proven that they did.
namespace tidesync::slave_to_prod {

/// Raised inside the transaction, which then rolls back: a newer run has passed the fence, staged rows are not what was
/// sent, keys do not tell rows apart, or rows did not land as they were sent.
struct refused_to_apply {
    jobs::outcome how;
    bool here_again = false; ///< what was staged still holds: another attempt at the transaction may do
};

/// Copies every row of the slave straight into the table, which must be empty.
/// @returns the fingerprint of what the slave sent, as the slave sees it
/// @throws refused_to_apply  when the table is not empty any more
/// @throws postgres::error
[[nodiscard]] fingerprint load_rows(
    postgres::session& production, const table_plan&, bool portable, slave_sessions&, const jobs::run_context&,
    jobs::table_report& counts);

/// Makes sure that what was staged still lies there (UNLOGGED tables are empty after a crash of the server), and takes
/// out what production holds as it is.
/// @returns the fingerprint of the rows that are left: those that are held from their writing until COMMIT
/// @throws refused_to_apply  when the staged rows are not what was sent, or their keys do not tell rows apart
/// @throws postgres::error
[[nodiscard]] fingerprint
check_staged(postgres::session& production, const table_plan&, const prepared_table&, bool portable);

/// Inserts what is new and updates what differs, from the staged rows.
/// @returns whether what is gone was deleted on the way, because it held a unique value
/// @throws refused_to_apply  when unique values or fixed columns stand against it
/// @throws postgres::error
[[nodiscard]] bool
write_staged(postgres::session& production, const table_plan&, const prepared_table&, jobs::table_report& counts);

/// Locks what the slave has no longer, so that it stays as it was found until it goes. Under the settings under which
/// it was found.
/// @throws postgres::error
void hold_gone_rows(postgres::session& production, const table_plan&, const prepared_table&);

/// Deletes these rows, or marks them.
/// @returns false, with nothing done, when a row that stays refers to one of them and would go along
/// @throws refused_to_apply  when something in production kept rows from going
/// @throws postgres::error
[[nodiscard]] bool
remove_gone_rows(postgres::session& production, const table_plan&, const prepared_table&, jobs::table_report& counts);

/// For when they cannot go.
[[nodiscard]] refused_to_apply refuse_cascade(const table_plan&);

/// Proves that production now holds what the slave sent: by count and words over the rows themselves.
/// @throws refused_to_apply  when it does not
/// @throws postgres::error
void prove_loaded(postgres::session& production, const table_plan&, const fingerprint& sent, bool portable);

/// The same of rows that were staged and are held. What a trigger or rule of production changed becomes a warning; what
/// one dropped ends the run.
void prove_staged(
    postgres::session& production, const table_plan&, const table_name& staging, const fingerprint& held, bool portable,
    jobs::report&, jobs::table_report& counts);

} // namespace tidesync::slave_to_prod

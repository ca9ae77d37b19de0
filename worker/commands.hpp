#pragma once

#include "worker/cli.hpp"
#include "worker/exit_code.hpp"

/// One function per verb of the command line. Results go to stdout, everything else to stderr.
namespace tidesync::worker {

exit_code serve(const command&);
exit_code run_job(const command&);
exit_code check_job(const command&);
exit_code check_config(const command&);
exit_code doctor(const command&);
exit_code migrate_schemas(const command&);
exit_code list_runs(const command&);
exit_code show_run(const command&);
exit_code cancel_run(const command&);
exit_code retry_run(const command&);
exit_code pause_job(const command&);
exit_code resume_job(const command&);
exit_code ensure_slot(const command&);
exit_code schedule(const command&);
exit_code token(const command&);
exit_code list_audit(const command&);
exit_code set_up(const command&);
exit_code demo(const command&);
exit_code health(const command&);
exit_code pre_stop(const command&);
exit_code qstash_local(const command&);

} // namespace tidesync::worker

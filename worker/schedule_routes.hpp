#pragma once

#include "worker/http.hpp"
#include "worker/routes.hpp"

namespace tidesync::worker {

/// GET /api/background/sync/schedule: `{"success":true,"schedules":[…]}`.
[[nodiscard]] http_response list_schedules(const services&);

/// POST of an action: `{"success":true,"scheduleId":…}`, for trigger-manual `messageId` as well.
[[nodiscard]] http_response change_schedule(services&, const http_request&, const requester&);

} // namespace tidesync::worker

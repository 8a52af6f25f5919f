// What a service manager hands over and is told: systemd's socket activation (sd_listen_fds(3)) and
// notification (sd_notify(3)), without its library.
#pragma once

#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace pgparity::proxy {

// The listening sockets passed to this process, in their order; empty when it was not started for
// one. The environment that says so is removed, so that children do not take them for theirs.
// Errors: what was passed is no listening stream socket. To be called once, before threads are
// started.
absl::StatusOr<std::vector<int>> TakePassedSockets();

// "READY=1", "STOPPING=1"; does nothing without a service manager that listens.
void NotifyServiceManager(std::string_view state);

}  // namespace pgparity::proxy

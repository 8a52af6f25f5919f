// `pgparity serve`: the parts put together, from start to orderly end.
#pragma once

#include "proxy/options.h"

namespace pgparity::proxy {

// Serves until SIGTERM or SIGINT: the first drains, a second one ends at once. Returns the
// process's exit status: 0, or 70 when it could not start (one line on stderr says why).
int RunServe(const ServeOptions& options);

}  // namespace pgparity::proxy

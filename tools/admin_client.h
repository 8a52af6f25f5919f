// A client of pgparity's admin address.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace pgparity::tools {

struct HttpAnswer {
  int status = 0;
  std::string body;
};

// One request. `address`: HOST:PORT, a leading http:// allowed. Errors are one line that names the
// address: InvalidArgument for a bad one, Unavailable when nothing answers in `timeout`.
absl::StatusOr<HttpAnswer> AskAdmin(const std::string& address, const std::string& token,
                                    const std::string& method, const std::string& target,
                                    absl::Duration timeout);

}  // namespace pgparity::tools

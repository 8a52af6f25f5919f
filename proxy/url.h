// Database URLs as users have them (DESIGN, "Command line").
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace pgparity::proxy {

// postgres://USER:PASSWORD@HOST:PORT/DATABASE?PARAMS, also postgresql:// and postgresql+DRIVER://;
// sqlite:///relative, sqlite:////absolute, also sqlite+DRIVER://. All parts are percent-decoded.
struct DatabaseUrl {
  enum class Kind : uint8_t { postgres, sqlite };
  Kind kind = Kind::postgres;
  std::string user, password;
  std::string host;  // a name, an address without brackets, or the directory of a unix socket
  uint16_t port = 5432;
  std::string database;  // postgres: may hold {database}; empty: the user's name
  std::string path;      // sqlite: the file; may hold {database}
  // The others as given, in their order. Those that libpq does not know are kept here and nowhere
  // else.
  std::vector<std::pair<std::string, std::string>> params;

  // Errors are one line, and hold nothing of the URL behind its scheme: a password with an
  // unescaped character may have ended up anywhere.
  static absl::StatusOr<DatabaseUrl> Parse(std::string_view url);

  bool unix_socket() const { return host.starts_with('/'); }
  // {database} stands for the client's database.
  bool per_database() const;
  // The URL of one database. In an SQLite path, bytes of `name` other than letters, digits, _ and -
  // become %XX, so that a name cannot lead out of the directory.
  DatabaseUrl ForDatabase(std::string_view name) const;

  // For PQconnectdb: keywords with quoted values, the password among them. Parameters that libpq
  // does not know are left out.
  std::string ToLibpqConninfo() const;
  // The URL for logs and reports: passwords as ***, control characters escaped.
  std::string Redacted() const;
};

}  // namespace pgparity::proxy

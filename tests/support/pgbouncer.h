// A running pgbouncer before a server.
#pragma once

#include <map>
#include <string>

#include "tests/support/child_process.h"
#include "tests/support/temp_dir.h"

namespace pgparity::support {

class Pgbouncer {
 public:
  struct Options {
    int server_port = 0;  // on 127.0.0.1
    std::string pool_mode = "session";
    std::map<std::string, std::string> settings = {};  // of pgbouncer.ini
    // Passwords or verifiers; with them it logs in to the server too.
    std::map<std::string, std::string> users = {};
  };
  // Any database of the server, as postgres, plain_user or one of `users`; by trust where the
  // settings say no other auth_type. Aborts the test process with pgbouncer's log when it does not
  // start.
  explicit Pgbouncer(const Options& options);

  int port() const { return port_; }
  std::string Url(const std::string& database, const std::string& user = "postgres",
                  const std::string& password = "") const;
  std::string Log() const;

 private:
  TempDir dir_;
  int port_ = 0;
  ChildProcess process_;
};

}  // namespace pgparity::support

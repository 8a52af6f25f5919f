// A throw-away PostgreSQL 15 cluster for tests.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tests/support/child_process.h"
#include "tests/support/temp_dir.h"

namespace pgparity::support {

// Listens on a free port of 127.0.0.1 and on a unix socket in its directory; runs as the user
// postgres when we are root. It loses data when the machine fails (fsync is off), not when the
// server does. Superuser `postgres`. Login over TCP: `md5_user` by md5, `scram_user` by
// scram-sha-256 and `password_user` by password (theirs is LoginPassword()), everybody else by
// trust.
// A failure to start aborts the test process with the server's log.
class PostgresCluster {
 public:
  struct Options {
    std::string name = "main";
    std::map<std::string, std::string> settings = {};  // postgresql.conf, in its syntax
  };

  // Creates the cluster and starts it.
  explicit PostgresCluster(Options options);
  ~PostgresCluster();
  PostgresCluster(const PostgresCluster&) = delete;
  PostgresCluster& operator=(const PostgresCluster&) = delete;

  void Start();
  void StopFast();       // sessions are ended, then it shuts down
  void KillImmediate();  // as in a crash: no shutdown checkpoint, recovery at the next start
  bool Running() { return server_.Running(); }

  int port() const { return port_; }
  std::string socket_directory() const { return dir_.path(); }
  std::string Url(const std::string& database, const std::string& user = "postgres",
                  const std::string& password = "") const;
  // Through other ports, such as the proxy's.
  static std::string UrlAt(int port, const std::string& database,
                           const std::string& user = "postgres", const std::string& password = "");
  static std::string LoginPassword() { return "Pa55 %wörd"; }

  void CreateDatabase(const std::string& name, const std::string& options = "");
  void DropDatabase(const std::string& name);  // ends its sessions
  std::string Log() const { return ReadFile(log_path_); }

 private:
  void InitDb();
  void WriteConfiguration();
  bool WaitReady();
  void CreateRoles();

  Options options_;
  TempDir dir_;
  std::string data_, log_path_;
  int port_ = 0;
  ChildProcess server_;
};

// Path of a PostgreSQL 15 program such as "psql".
std::string PostgresProgram(const std::string& name);

}  // namespace pgparity::support

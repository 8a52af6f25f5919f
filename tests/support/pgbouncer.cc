#include "tests/support/pgbouncer.h"

#include <libpq-fe.h>
#include <pwd.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "tests/support/postgres_cluster.h"

namespace pgparity::support {

Pgbouncer::Pgbouncer(const Options& options) : port_(FreePort()) {
  std::map<std::string, std::string> settings = {
      {"listen_addr", "127.0.0.1"},
      {"listen_port", std::to_string(port_)},
      {"unix_socket_dir", ""},
      {"auth_type", "trust"},
      {"auth_file", dir_.Path("users")},
      {"pool_mode", options.pool_mode},
      {"ignore_startup_parameters", "extra_float_digits"},
      {"logfile", ""}};
  for (const auto& [name, value] : options.settings) settings[name] = value;
  std::ofstream config(dir_.Path("pgbouncer.ini"));
  config << "[databases]\n* = host=127.0.0.1 port=" << options.server_port << "\n[pgbouncer]\n";
  for (const auto& [name, value] : settings) config << name << " = " << value << "\n";
  config.close();
  std::map<std::string, std::string> users = {{"postgres", ""}, {"plain_user", ""}};
  for (const auto& [user, secret] : options.users) users[user] = secret;
  std::ofstream list(dir_.Path("users"));
  for (const auto& [user, secret] : users) list << "\"" << user << "\" \"" << secret << "\"\n";
  list.close();
  std::ofstream(dir_.Path("log")).close();
  // It refuses to run as root.
  if (const passwd* entry = getpwnam("postgres"); geteuid() == 0 && entry != nullptr) {
    for (const std::string& path :
         {dir_.path(), dir_.Path("pgbouncer.ini"), dir_.Path("users"), dir_.Path("log")}) {
      if (chown(path.c_str(), entry->pw_uid, entry->pw_gid) != 0) std::perror("chown");
    }
  }
  ChildOptions child;
  child.argv = {"/usr/sbin/pgbouncer", dir_.Path("pgbouncer.ini")};
  child.as_server_user = true;
  child.output_path = dir_.Path("log");
  process_ = ChildProcess(child);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  // Its own database, for which it opens no session to the server.
  while (PQping(PostgresCluster::UrlAt(port_, "pgbouncer").c_str()) != PQPING_OK) {
    if (process_.Running() && std::chrono::steady_clock::now() < deadline) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      continue;
    }
    std::fprintf(stderr, "pgbouncer did not start:\n%s\n", Log().c_str());
    std::abort();
  }
}

std::string Pgbouncer::Url(const std::string& database, const std::string& user,
                           const std::string& password) const {
  return PostgresCluster::UrlAt(port_, database, user, password);
}

std::string Pgbouncer::Log() const { return ReadFile(dir_.Path("log")); }

}  // namespace pgparity::support

#include "tests/support/postgres_cluster.h"

#include <libpq-fe.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "tests/support/libpq_client.h"

namespace pgparity::support {

namespace {

constexpr char bin_directory[] = "/usr/lib/postgresql/15/bin/";
constexpr auto start_limit = std::chrono::seconds(90);
constexpr int start_attempts = 3;  // another process may take the port first

[[noreturn]] void Fail(const std::string& what, const std::string& log) {
  std::fprintf(stderr, "%s\n%s\n", what.c_str(), log.c_str());
  std::abort();
}

std::string PercentEncoded(const std::string& text) {
  std::string encoded;
  for (const unsigned char c : text) {
    char hex[4];
    std::snprintf(hex, sizeof(hex), "%%%02X", c);
    if (std::isalnum(c) != 0) {
      encoded += static_cast<char>(c);
    } else {
      encoded += hex;
    }
  }
  return encoded;
}

std::string QuotedName(const std::string& name) {
  std::string quoted = "\"";
  for (const char c : name) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + '"';
}

}  // namespace

std::string PostgresProgram(const std::string& name) { return bin_directory + name; }

PostgresCluster::PostgresCluster(Options options)
    : options_(std::move(options)), data_(dir_.Path("data")), log_path_(dir_.Path("log")) {
  InitDb();
  Start();
  CreateRoles();
}

PostgresCluster::~PostgresCluster() {
  if (Running()) KillImmediate();
}

void PostgresCluster::InitDb() {
  if (geteuid() == 0) {
    const passwd* entry = getpwnam("postgres");
    if (entry == nullptr || chown(dir_.path().c_str(), entry->pw_uid, entry->pw_gid) != 0) {
      Fail("cannot give the cluster's directory to the user postgres; run tools/setup", "");
    }
  }
  ChildOptions initdb;
  initdb.argv = {
      PostgresProgram("initdb"), "-D",          data_, "-U", "postgres", "--no-sync", "-E", "UTF8",
      "--locale=C.UTF-8",        "--auth=trust"};
  initdb.as_server_user = true;
  const RunResult result = RunCommand(initdb);
  if (result.exit != 0) Fail("initdb failed", result.out + result.err);
  WriteFile(data_ + "/pg_hba.conf",
            "local all all trust\n"
            "host all md5_user 127.0.0.1/32 md5\n"
            "host all scram_user 127.0.0.1/32 scram-sha-256\n"
            "host all password_user 127.0.0.1/32 password\n"
            "host all all 127.0.0.1/32 trust\n"
            "host replication all 127.0.0.1/32 trust\n");
}

void PostgresCluster::WriteConfiguration() {
  std::map<std::string, std::string> settings = {
      {"listen_addresses", "'127.0.0.1'"},
      {"port", std::to_string(port_)},
      {"unix_socket_directories", "'" + dir_.path() + "'"},
      {"cluster_name", "'" + options_.name + "'"},
      {"fsync", "off"},
      {"full_page_writes", "off"},
      {"dynamic_shared_memory_type", "mmap"},  // nothing is left in /dev/shm, however it ends
      {"shared_buffers", "'64MB'"},
      {"max_connections", "120"},
      {"max_prepared_transactions", "10"},
      {"max_wal_size", "'2GB'"},
      {"log_min_messages", "warning"},
      {"log_line_prefix", "'%m [%p] %a %d '"},
      {"timezone", "'UTC'"},
  };
  for (const auto& [name, value] : options_.settings) settings[name] = value;
  std::string text;
  for (const auto& [name, value] : settings) text += name + " = " + value + "\n";
  WriteFile(data_ + "/postgresql.auto.conf", text);
}

void PostgresCluster::Start() {
  for (int attempt = 0; attempt < start_attempts; ++attempt) {
    const bool first_start = port_ == 0;
    if (first_start) port_ = FreePort();
    WriteConfiguration();
    ChildOptions postgres;
    postgres.argv = {PostgresProgram("postgres"), "-D", data_};
    postgres.as_server_user = true;
    postgres.output_path = log_path_;
    postgres.signal_at_parent_death = SIGQUIT;
    server_ = ChildProcess(postgres);
    if (WaitReady()) return;
    if (first_start) port_ = 0;
  }
  Fail("the cluster " + options_.name + " did not start", Log());
}

bool PostgresCluster::WaitReady() {
  const auto deadline = std::chrono::steady_clock::now() + start_limit;
  while (std::chrono::steady_clock::now() < deadline) {
    if (PQping(Url("postgres").c_str()) == PQPING_OK) return true;
    if (server_.Wait(std::chrono::milliseconds(20)).has_value()) return false;
  }
  return false;
}

void PostgresCluster::StopFast() {
  server_.Signal(SIGINT);
  if (!server_.Wait(start_limit).has_value()) Fail("the cluster did not stop", Log());
}

void PostgresCluster::KillImmediate() {
  server_.Signal(SIGQUIT);
  if (!server_.Wait(start_limit).has_value()) Fail("the cluster did not stop", Log());
}

void PostgresCluster::CreateRoles() {
  LibpqClient client(Url("postgres"));
  const std::string password = "'" + LoginPassword() + "'";
  const QueryResult result = client.Script({
      "SET password_encryption = 'md5'",
      "CREATE ROLE md5_user LOGIN SUPERUSER PASSWORD " + password,
      "SET password_encryption = 'scram-sha-256'",
      "CREATE ROLE scram_user LOGIN SUPERUSER PASSWORD " + password,
      "CREATE ROLE password_user LOGIN SUPERUSER PASSWORD " + password,
      "CREATE ROLE plain_user LOGIN",
  });
  if (!result.ok) Fail("cannot create the roles: " + result.message, client.error());
}

std::string PostgresCluster::UrlAt(int port, const std::string& database, const std::string& user,
                                   const std::string& password) {
  std::string url = "postgresql://" + PercentEncoded(user);
  if (!password.empty()) url += ":" + PercentEncoded(password);
  return url + "@127.0.0.1:" + std::to_string(port) + "/" + PercentEncoded(database);
}

std::string PostgresCluster::Url(const std::string& database, const std::string& user,
                                 const std::string& password) const {
  return UrlAt(port_, database, user, password);
}

void PostgresCluster::CreateDatabase(const std::string& name, const std::string& options) {
  LibpqClient client(Url("postgres"));
  const QueryResult result = client.Query("CREATE DATABASE " + QuotedName(name) + " " + options);
  if (!result.ok) Fail("cannot create a database: " + result.message, client.error());
}

void PostgresCluster::DropDatabase(const std::string& name) {
  LibpqClient client(Url("postgres"));
  const QueryResult result =
      client.Query("DROP DATABASE IF EXISTS " + QuotedName(name) + " WITH (FORCE)");
  if (!result.ok) Fail("cannot drop a database: " + result.message, client.error());
}

}  // namespace pgparity::support

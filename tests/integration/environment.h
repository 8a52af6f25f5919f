// The servers that all integration tests share: started once, stopped at the end.
#pragma once

#include <string>
#include <vector>

#include "tests/support/postgres_cluster.h"
#include "tests/support/proxy_process.h"

namespace pgparity::support {

PostgresCluster& PrimaryCluster();
PostgresCluster& ShadowCluster();

// A database of this name, empty, on both clusters; dropped at the end of the scope. The name is
// made unique within the process.
class DatabasePair {
 public:
  explicit DatabasePair(const std::string& stem) : DatabasePair(stem, PrimaryCluster()) {}
  // With the primary on another cluster, which outlives the pair.
  DatabasePair(const std::string& stem, PostgresCluster& primary);
  ~DatabasePair();
  DatabasePair(const DatabasePair&) = delete;
  DatabasePair& operator=(const DatabasePair&) = delete;

  const std::string& name() const { return name_; }
  std::string PrimaryUrl() const { return primary_.Url(name_); }
  std::string ShadowUrl() const { return ShadowCluster().Url(name_); }
  // Runs the same statements directly on both sides; fails the test when one of them fails.
  void Seed(const std::vector<std::string>& statements) const;

 private:
  PostgresCluster& primary_;
  std::string name_;
};

// Options of a proxy between the two databases of the pair.
ProxyOptions ProxyFor(const DatabasePair& pair, std::vector<std::string> arguments = {});

// Each table of a database with its rows in a canonical order, hashed: "schema.table rows md5".
// `leave_out`: "table.column" that is not looked at. Progress tables of pgparity are left out.
std::string TableDigests(const std::string& url, const std::vector<std::string>& leave_out = {});

// TableDigests of both sides of the pair are equal.
void ExpectEqualTables(const DatabasePair& pair, const std::vector<std::string>& leave_out = {});

// Runs PostgreSQL's pgbench, or another of its programs, to its end.
RunResult RunPgbench(const std::vector<std::string>& arguments);
RunResult RunProgram(const std::string& name, const std::vector<std::string>& arguments);

// Waits until the query's first cell is `expected`; false after a minute.
bool WaitForScalar(const std::string& url, const std::string& sql, const std::string& expected);

}  // namespace pgparity::support

// Two databases of one server, primary and shadow: runs a statement on the primary, and on the
// shadow what Rewrite() makes of it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "shadow/catalog.h"
#include "shadow/rewrite.h"
#include "tests/support/libpq_client.h"

namespace pgparity::support {

// A parameter of an extended statement.
struct Parameter {
  std::optional<std::string> value;
  uint32_t type = 0;
  int16_t format = 0;
};

class RewritePair {
 public:
  // Makes the two databases; `url` may create databases.
  RewritePair(const std::string& url, const std::string& stem);
  ~RewritePair();
  RewritePair(const RewritePair&) = delete;
  RewritePair& operator=(const RewritePair&) = delete;

  // Runs on both as it is; fails the test on an error.
  void Both(const std::string& sql);
  LibpqClient& primary() { return *primary_; }
  LibpqClient& shadow() { return *shadow_; }
  // To be called when the schemas are ready.
  void LoadCatalogs();

  // What the rewriting made of the statement, and what the shadow answered.
  struct Result {
    shadow::Statement statement;
    shadow::ShadowStatement rewritten;
    compare::Observation shadow;
  };
  // Fails the test if the primary refuses it, or the shadow refuses what was made of it.
  Result Run(const std::string& sql, const std::vector<Parameter>& parameters = {},
             int result_format = 0);

  shadow::RewriteContext context;

 private:
  std::string url_, primary_name_, shadow_name_;
  std::optional<LibpqClient> admin_, primary_, shadow_;
  std::shared_ptr<const shadow::Catalog> primary_catalog_, shadow_catalog_;
};

// The same URL with another database.
std::string WithDatabase(const std::string& url, const std::string& database);

}  // namespace pgparity::support

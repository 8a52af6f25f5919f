// Prepared statements and portals as the server has them at one point of its replies. Part of the
// session tracker.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "protocol/tracker_requests.h"

namespace pgparity::protocol::tracker {

// Shared by the portals made from it: closing or redefining its name does not touch them.
struct PreparedStatement {
  Text sql;  // null: not known
  std::vector<uint32_t> types;
  TransactionCommand command = TransactionCommand::none;
  Text row_description;  // from Describe, formats not set; null: not described, or no rows
  Stamp parse_first = 0;
  uint64_t exchange = 0;  // of its Parse
  size_t cost() const;
};
using Statement = std::shared_ptr<PreparedStatement>;

struct Portal {
  Statement statement;  // never null
  BoundParameters parameters;
  Text row_description;  // as Execute's rows are formatted; null: not known yet, or no rows
  Stamp sent_first = 0;
  bool executed = false;
  size_t counted = 0;  // what SessionObjects counted it as
  size_t cost() const;
};

class SessionObjects {
 public:
  // At this size of statements, or of portals, further ones are not remembered. Counts names,
  // texts, values and descriptions; a portal counts with its statement, since it may outlive its
  // name.
  explicit SessionObjects(size_t max_bytes) : max_bytes_(max_bytes) {}

  // Null when not known. Names count up to 63 bytes, as in the server.
  Statement FindStatement(std::string_view name) const;
  Portal* FindPortal(std::string_view name);
  const Portal* FindPortal(std::string_view name) const;

  void Define(std::string_view name, Statement statement);
  void Open(std::string_view name, Portal portal);
  void CloseStatement(std::string_view name);
  void ClosePortal(std::string_view name);
  void CloseNamedStatements();
  void CloseAllPortals();
  void Clear();
  // Sets the description that Describe was answered with, within the bound; "" for NoData.
  void Describe(std::string_view statement, std::string_view row_description);

  // The same for a portal of this session, whose formats are final.
  void DescribePortal(Portal* portal, std::string_view row_description);

 private:
  const size_t max_bytes_;
  absl::flat_hash_map<std::string, Statement> statements_;
  absl::flat_hash_map<std::string, Portal> portals_;
  size_t statement_bytes_ = 0;
  size_t portal_bytes_ = 0;
};

// The part of an object's name that the server tells names apart by.
std::string_view SignificantName(std::string_view name);

}  // namespace pgparity::protocol::tracker

#include "protocol/tracker_objects.h"

#include <optional>
#include <utility>

#include "protocol/text.h"

namespace pgparity::protocol::tracker {
namespace {

constexpr size_t kNameBytes = 63;    // NAMEDATALEN - 1
constexpr size_t kEntryBytes = 128;  // a map's entry with its name

size_t SizeOf(const Text& text) { return text ? text->size() : 0; }

template <typename Map>
auto Find(Map& map, std::string_view name) {
  return map.find(ToAbsl(SignificantName(name)));
}

}  // namespace

std::string_view SignificantName(std::string_view name) { return name.substr(0, kNameBytes); }

size_t PreparedStatement::cost() const {
  return kEntryBytes + sizeof(PreparedStatement) + SizeOf(sql) + SizeOf(row_description) +
         types.size() * 4;
}

size_t Portal::cost() const {
  size_t bytes = kEntryBytes + sizeof(Portal) + statement->cost();
  bytes += parameters.types.size() * 4 + parameters.formats.size() * 2 +
           parameters.result_formats.size() * 2;
  for (const std::optional<std::string>& value : parameters.values) {
    bytes += sizeof(value) + (value ? value->size() : 0);
  }
  return bytes;
}

Statement SessionObjects::FindStatement(std::string_view name) const {
  const auto found = Find(statements_, name);
  return found == statements_.end() ? nullptr : found->second;
}

Portal* SessionObjects::FindPortal(std::string_view name) {
  const auto found = Find(portals_, name);
  return found == portals_.end() ? nullptr : &found->second;
}

const Portal* SessionObjects::FindPortal(std::string_view name) const {
  const auto found = Find(portals_, name);
  return found == portals_.end() ? nullptr : &found->second;
}

void SessionObjects::Define(std::string_view name, Statement statement) {
  CloseStatement(name);
  if (statement_bytes_ + statement->cost() > max_bytes_) return;
  statement_bytes_ += statement->cost();
  statements_.emplace(SignificantName(name), std::move(statement));
}

void SessionObjects::Open(std::string_view name, Portal portal) {
  ClosePortal(name);
  const size_t cost = portal.cost();
  if (portal_bytes_ + cost > max_bytes_) return;
  portal_bytes_ += cost;
  portal.counted = cost;
  portals_.emplace(SignificantName(name), std::move(portal));
}

void SessionObjects::CloseStatement(std::string_view name) {
  const auto found = Find(statements_, name);
  if (found == statements_.end()) return;
  statement_bytes_ -= found->second->cost();
  statements_.erase(found);
}

void SessionObjects::ClosePortal(std::string_view name) {
  const auto found = Find(portals_, name);
  if (found == portals_.end()) return;
  portal_bytes_ -= found->second.counted;
  portals_.erase(found);
}

void SessionObjects::CloseNamedStatements() {
  const Statement unnamed = FindStatement("");
  statements_.clear();
  statement_bytes_ = 0;
  if (unnamed) Define("", unnamed);
}

void SessionObjects::CloseAllPortals() {
  portals_.clear();
  portal_bytes_ = 0;
}

void SessionObjects::Clear() {
  statements_ = {};
  statement_bytes_ = 0;
  CloseAllPortals();
}

void SessionObjects::Describe(std::string_view name, std::string_view row_description) {
  const Statement statement = FindStatement(name);
  if (!statement) return;
  statement_bytes_ -= statement->cost();
  statement->row_description.reset();
  const size_t described = statement_bytes_ + statement->cost() + row_description.size();
  if (!row_description.empty() && described <= max_bytes_) {
    statement->row_description = std::make_shared<const std::string>(row_description);
  }
  statement_bytes_ += statement->cost();
}

void SessionObjects::DescribePortal(Portal* portal, std::string_view row_description) {
  portal->row_description.reset();
  if (portal_bytes_ + row_description.size() > max_bytes_) return;
  portal->row_description = std::make_shared<const std::string>(row_description);
  portal->counted += row_description.size();
  portal_bytes_ += row_description.size();
}

}  // namespace pgparity::protocol::tracker

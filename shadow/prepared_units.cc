#include "shadow/prepared_units.h"

#include <utility>

#include "protocol/sql_tokens.h"
#include "protocol/text.h"

namespace pgparity::shadow {
namespace {

using protocol::Token;
using protocol::TokenKind;

// A gid belongs to one database.
std::string KeyOf(std::string_view database, std::string_view gid) {
  std::string key(database);
  key.push_back('\0');
  return key.append(gid);
}

std::optional<std::string> DollarQuoted(std::string_view text) {
  const size_t tag = text.find('$', 1);
  if (tag == std::string_view::npos || text.size() < 2 * (tag + 1)) return std::nullopt;
  return std::string(text.substr(tag + 1, text.size() - 2 * (tag + 1)));
}

// The inside of '...'; `backslash`: one quotes what follows, of which only quotes and itself are
// understood.
std::optional<std::string> Quoted(std::string_view text, bool backslash) {
  if (text.size() < 2 || text.back() != '\'') return std::nullopt;
  std::string value;
  const std::string_view inside = text.substr(1, text.size() - 2);
  for (size_t i = 0; i < inside.size(); ++i) {
    if (inside[i] == '\'') {
      ++i;
    } else if (backslash && inside[i] == '\\') {
      ++i;
      if (i >= inside.size() || (inside[i] != '\\' && inside[i] != '\'')) return std::nullopt;
    }
    if (i < inside.size()) value.push_back(inside[i]);
  }
  return value;
}

}  // namespace

std::optional<std::string> GidOf(std::string_view sql, bool standard_conforming_strings) {
  protocol::SqlTokenizer tokens(sql, standard_conforming_strings);
  for (Token token = tokens.Next(); token.kind != TokenKind::end; token = tokens.Next()) {
    if (token.kind != TokenKind::string) continue;
    const char first = token.text[0];
    if (first == '$') return DollarQuoted(token.text);
    if (first == '\'') return Quoted(token.text, !standard_conforming_strings);
    if (first == 'E' || first == 'e') return Quoted(token.text.substr(1), true);
    return std::nullopt;
  }
  return std::nullopt;
}

void PreparedUnits::Park(std::string_view gid, ParkedUnit parked) {
  const size_t bytes = parked.unit.bytes();
  if (parked_.size() >= options_.max_parked || bytes_ + bytes > options_.max_parked_bytes) {
    writer_->Gap("prepared-overflow", protocol::StrCat("session ", parked.header.session));
    writer_->Drop(&parked.unit);
    return;
  }
  std::string key = KeyOf(parked.header.database, gid);
  const auto old = parked_.find(key);
  if (old != parked_.end()) {
    // Its end was not seen.
    bytes_ -= old->second.unit.bytes();
    writer_->Gap("unknown-gid", "a prepared transaction ended unseen");
    writer_->Drop(&old->second.unit);
    parked_.erase(old);
  }
  bytes_ += bytes;
  parked_.emplace(std::move(key), std::move(parked));
}

std::optional<ParkedUnit> PreparedUnits::Take(std::string_view database, std::string_view gid) {
  const auto found = parked_.find(KeyOf(database, gid));
  if (found == parked_.end()) return std::nullopt;
  ParkedUnit parked = std::move(found->second);
  bytes_ -= parked.unit.bytes();
  parked_.erase(found);
  return parked;
}

}  // namespace pgparity::shadow

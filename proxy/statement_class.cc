#include "proxy/statement_class.h"

#include <xxhash.h>

#include <algorithm>
#include <random>
#include <utility>

#include "protocol/sql_lexer.h"
#include "proxy/token.h"
#include "shadow/read_only.h"

namespace pgparity::proxy {
namespace {

using protocol::TransactionCommand;

// Statements of a simple Query beyond which it is left alone.
constexpr size_t kMaxStatements = 64;

struct Known {
  std::string_view keyword;
  StatementClass is;
};

// Statements that a first keyword tells, sorted.
constexpr Known kKnown[] = {
    {"ALTER", StatementClass::work},        {"ANALYZE", StatementClass::work},
    {"CALL", StatementClass::work},         {"CLOSE", StatementClass::control},
    {"CLUSTER", StatementClass::work},      {"COMMENT", StatementClass::work},
    {"CREATE", StatementClass::work},       {"DECLARE", StatementClass::work},
    {"DELETE", StatementClass::write},      {"DO", StatementClass::work},
    {"DROP", StatementClass::work},         {"EXECUTE", StatementClass::write},
    {"EXPLAIN", StatementClass::work},      {"FETCH", StatementClass::work},
    {"GRANT", StatementClass::work},        {"IMPORT", StatementClass::work},
    {"INSERT", StatementClass::write},      {"LISTEN", StatementClass::control},
    {"LOCK", StatementClass::work},         {"MERGE", StatementClass::write},
    {"MOVE", StatementClass::work},         {"NOTIFY", StatementClass::control},
    {"REASSIGN", StatementClass::work},     {"REFRESH", StatementClass::work},
    {"REINDEX", StatementClass::work},      {"RELEASE", StatementClass::control},
    {"RESET", StatementClass::control},     {"REVOKE", StatementClass::work},
    {"SAVEPOINT", StatementClass::control}, {"SECURITY", StatementClass::work},
    {"SET", StatementClass::control},       {"SHOW", StatementClass::control},
    {"TRUNCATE", StatementClass::work},     {"UNLISTEN", StatementClass::control},
    {"UPDATE", StatementClass::write},
};

StatementClass ClassOf(TransactionCommand command) {
  switch (command) {
    case TransactionCommand::begin:
      return StatementClass::begin;
    case TransactionCommand::commit:
    case TransactionCommand::prepare_transaction:
      return StatementClass::commit;
    case TransactionCommand::commit_and_chain:
      return StatementClass::commit_and_chain;
    case TransactionCommand::rollback:
      return StatementClass::rollback;
    case TransactionCommand::rollback_and_chain:
      return StatementClass::rollback_and_chain;
    case TransactionCommand::rollback_to_savepoint:
    case TransactionCommand::savepoint:
    case TransactionCommand::release_savepoint:
      return StatementClass::control;
    case TransactionCommand::none:
    case TransactionCommand::commit_prepared:
    case TransactionCommand::rollback_prepared:
      break;
  }
  return StatementClass::stop;
}

bool IsCommit(StatementClass is) {
  return is == StatementClass::commit || is == StatementClass::commit_and_chain;
}

// What may stand between BEGIN and COMMIT in one text.
bool StaysInside(StatementClass is) {
  return is == StatementClass::read || is == StatementClass::write ||
         is == StatementClass::control || is == StatementClass::work;
}

}  // namespace

StatementClass Classify(std::string_view statement) {
  const std::string_view keyword = protocol::FirstKeyword(statement);
  if (keyword == "SELECT" || keyword == "VALUES" || keyword == "TABLE" || keyword == "WITH") {
    return shadow::TextReadsOnly(statement) ? StatementClass::read : StatementClass::write;
  }
  const auto* const known = std::lower_bound(
      std::begin(kKnown), std::end(kKnown), keyword,
      [](const Known& entry, std::string_view word) { return entry.keyword < word; });
  if (known != std::end(kKnown) && known->keyword == keyword) return known->is;
  if (keyword.empty()) {
    const bool nothing = protocol::StatementSplitter(statement, true).Next() == std::nullopt;
    return nothing ? StatementClass::read : StatementClass::stop;
  }
  return ClassOf(protocol::ClassifyTransactionCommand(statement));
}

// The statement that would be put behind the text is put there, and must then be found at its place
// as the last one: so no quote, comment or parenthesis is open at the text's end.
SimpleText AnalyseSimple(std::string_view text, std::string* scratch) {
  scratch->assign(text);
  scratch->append("\n;");
  const size_t behind = scratch->size();
  scratch->append(kTokenExecute);
  const std::string_view whole = *scratch;

  SimpleText found;
  bool plain = true;   // all of them read or write
  bool inside = true;  // nothing between a first BEGIN and the last one leaves the transaction
  StatementClass& last = found.last;
  protocol::StatementSplitter statements(whole, true);
  while (const auto statement = statements.Next()) {
    const auto offset = static_cast<size_t>(statement->data() - whole.data());
    if (offset == behind && *statement == kTokenExecute) {
      found.certain = true;
      if (IsCommit(last) && inside) {
        found.edit = SimpleText::Edit::before_commit;
        --found.statements;
      } else if (plain && found.statements > 0) {
        found.edit = SimpleText::Edit::append;
      }
      return found;
    }
    if (offset >= behind || found.statements == kMaxStatements) break;
    const bool first = found.statements == 0;
    if (!first && !(found.statements == 1 && found.begins)) inside = inside && StaysInside(last);
    last = Classify(*statement);
    found.begins = found.begins || (first && last == StatementClass::begin);
    found.commits = found.commits || IsCommit(last);
    found.writes = found.writes || MayWrite(last);
    found.works = found.works || found.writes || last == StatementClass::read;
    plain = plain && (last == StatementClass::read || last == StatementClass::write);
    found.at = static_cast<uint32_t>(offset);
    ++found.statements;
  }
  found.works = found.writes = found.commits = true;
  return found;
}

ClassCache::ClassCache()
    : seed_(uint64_t{std::random_device{}()} << 32 | std::random_device{}()),
      classes_(std::make_unique<std::array<ClassPlace, kPlaces>>()),
      simple_(std::make_unique<std::array<SimplePlace, kPlaces>>()) {}

uint64_t ClassCache::Hash(std::string_view bytes) const {
  // 0 marks an empty place.
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed_) | 1;
}

StatementClass ClassCache::Class(std::string_view statement) {
  const uint64_t hash = Hash(statement);
  ClassPlace& place = (*classes_)[hash >> 1 & (kPlaces - 1)];
  if (place.hash != hash) place = {hash, Classify(statement)};
  return place.value;
}

SimpleText ClassCache::Simple(std::string_view text) {
  const uint64_t hash = Hash(text);
  SimplePlace& place = (*simple_)[hash >> 1 & (kPlaces - 1)];
  if (place.hash != hash) place = {hash, AnalyseSimple(text, &scratch_)};
  return place.value;
}

}  // namespace pgparity::proxy

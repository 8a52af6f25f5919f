// A statement's text. The scanner agrees with PostgreSQL's; no tree nests deeper than the caps
// reckon; all offsets lie in the text; what is masked stays masked.
#include <pg_query.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "shadow/analysis.h"
#include "shadow/parse_tree.h"
#include "shadow/token_scanner.h"

namespace {

using namespace pgparity::shadow;  // NOLINT(google-build-using-namespace)

void Check(bool condition) {
  if (!condition) std::abort();
}

size_t DepthOf(const ProtobufCMessage* message) {
  if (message == nullptr) return 0;
  size_t deepest = 0;
  ForEachChild(message,
               [&](const ProtobufCMessage* child) { deepest = std::max(deepest, DepthOf(child)); });
  return deepest + 1;
}

void CheckScanner(const std::string& sql) {
  const PgQueryScanResult result = pg_query_scan(sql.c_str());
  if (result.error == nullptr) {
    PgQuery__ScanResult* scan = pg_query__scan_result__unpack(
        nullptr, result.pbuf.len, reinterpret_cast<const uint8_t*>(result.pbuf.data));
    TokenScanner scanner(sql);
    Token token = scanner.Next();
    for (size_t i = 0; i < scan->n_tokens; ++i) {
      const PgQuery__ScanToken& theirs = *scan->tokens[i];
      if (theirs.token == PG_QUERY__TOKEN__SQL_COMMENT ||
          theirs.token == PG_QUERY__TOKEN__C_COMMENT)
        continue;
      // Its ends of U& literals are wrong; where they begin, and what comes behind, is right.
      const bool unicode = theirs.end - theirs.start < 2;
      if (!unicode) {
        Check(token.offset == static_cast<size_t>(theirs.start) &&
              token.end() == static_cast<size_t>(theirs.end));
      }
      token = scanner.Next();
    }
    Check(token.kind == TokenKind::end);
    pg_query__scan_result__free_unpacked(scan, nullptr);
  }
  pg_query_free_scan_result(result);
}

void CheckDepth(std::string_view sql) {
  const auto tree = ParseTree::Parse(sql);
  if (!tree.ok()) return;
  const TextCost cost = MeasureText(sql, kMaxTokens, 100000);
  // A unit is a nested query at most: its target, its link, lists between; the rest is what one
  // clause adds.
  Check(DepthOf(Inner(tree->statement())) <= 8 * cost.depth + 24);
}

void CheckRange(std::string_view sql, size_t offset, size_t length) {
  Check(offset <= sql.size() && length <= sql.size() - offset);
}

void CheckAnalysis(std::string_view sql) {
  const Analysis analysis = Analyse(sql);
  size_t end = 0;
  for (const TimeCall& call : analysis.time_calls) {
    CheckRange(sql, call.offset, call.length);
    Check(call.offset >= end && call.length > 0);
    end = call.offset + call.length;
  }
  for (const SequenceCall& call : analysis.sequence_calls)
    CheckRange(sql, call.offset, call.length);
  for (const TextEdit& edit : analysis.edits) CheckRange(sql, edit.offset, edit.length);
  if (analysis.insert) {
    const InsertShape& shape = *analysis.insert;
    Check(shape.rows.size() == shape.row_ends.size());
    for (const size_t row : shape.row_ends) Check(row < sql.size() && sql[row] == ')');
    for (const auto& row : shape.rows) {
      for (const ValueSource& value : row) CheckRange(sql, value.offset, value.length);
    }
    Check(shape.overriding_at <= sql.size() && shape.list_at <= sql.size() &&
          shape.columns_insert_at <= sql.size());
  }
  Check(!analysis.fingerprint.empty() && analysis.shape.size() <= 4200);
  if (!MayCarrySecret(sql)) Check(!analysis.carries_secret);
  const std::string masked = WithoutSecret(sql);
  if (!analysis.carries_secret && analysis.kind != StatementKind::unparsed) Check(masked == sql);
  if (analysis.carries_secret) Check(WithoutSecret(masked) == masked);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 4096) return 0;
  const std::vector<char> exact(data, data + size);  // so that one byte too many is seen
  const std::string_view sql(exact.data(), exact.size());
  CheckAnalysis(sql);
  if (sql.find('\0') == std::string_view::npos) {
    CheckScanner(std::string(sql));
    CheckDepth(sql);
  }
  return 0;
}
